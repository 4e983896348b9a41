"""Bytes against rows, both ways: every file in the store belongs to one row, and every row's bytes exist."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from downloads import storage
from downloads.models import Job, MediaFile, Status

BATCH = 500


@dataclass(slots=True, kw_only=True)
class Report:
    """`orphans` are files without a row, `missing` rows without a file, `damaged` rows of another size."""

    files: int = 0
    orphans: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    stale_work: list[uuid.UUID] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.orphans or self.missing or self.damaged or self.stale_work)


def audit() -> Report:
    """Reads the store, then who publishes, then the rows: what is committed in between is no orphan."""
    report = Report()
    found = dict(storage.stored_sizes())
    report.files = len(found)
    report.stale_work = stale_work()
    publishing = _publishing()
    rows = dict(MediaFile.objects.with_bytes().values_list("storage_key", "size_bytes"))
    report.orphans = sorted(key for key in found.keys() - rows.keys() if key[: key.rfind("/") + 1] not in publishing)
    for key, size in rows.items():
        # A row may have been committed after the store was read.
        if key not in found and not storage.has(key):
            report.missing.append(key)
        elif key in found and found[key] != size:
            report.damaged.append(key)
    return report


def remove_strays(report: Report) -> None:
    """Removes what lies in this store or on this disk and belongs to no row: also where nodes have disks apart."""
    storage.remove(report.orphans)
    storage.store().tidy()
    remove_stale_work(report.stale_work)


def remove_stale_work(jobs: Iterable[uuid.UUID]) -> None:
    for job_id in jobs:
        storage.remove_work(job_id)


def withdraw_lost(report: Report) -> None:
    """Rows whose bytes are gone or damaged stop promising them. For a node that can see the bytes of all rows."""
    lost = report.missing + report.damaged
    MediaFile.objects.filter(storage_key__in=lost).mark_deleted()
    storage.remove(report.damaged)


def stale_work() -> list[uuid.UUID]:
    """Work directories on this disk that belong to no unfinished job."""
    work = list(storage.work_job_ids())
    stale: list[uuid.UUID] = []
    for ids in _batches(work):
        alive = set(Job.objects.unfinished().filter(pk__in=ids).values_list("pk", flat=True))
        stale += [job_id for job_id in ids if job_id not in alive]
    return stale


def _publishing() -> set[str]:
    """Where running attempts put what they have not committed yet."""
    running = Job.objects.filter(status=Status.RUNNING).values_list("pk", "attempt")
    return {f"{job_id}/{attempt}/" for job_id, attempt in running}


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    items = list(items)
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
