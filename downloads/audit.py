"""Bytes against rows, both ways: every file below the media root belongs to one row, and every row's bytes exist."""

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
    """Reads the disk before the rows: what is committed in between is no orphan."""
    report = Report()
    work = list(storage.work_job_ids())
    found = {key: facts.st_size for key, facts in storage.stored_keys()}
    report.files = len(found)
    report.stale_work = _stale(work)
    rows = dict(MediaFile.objects.stored().values_list("storage_key", "size_bytes"))
    report.orphans = sorted(_orphans(set(found) - set(rows)))
    for key, size in rows.items():
        # A row may have been committed after the disk was read.
        if key not in found and not storage.path_of(key).exists():
            report.missing.append(key)
        elif key in found and found[key] != size:
            report.damaged.append(key)
    return report


def remove_strays(report: Report) -> None:
    """Removes what lies on this disk and belongs to no row: right also where every node has a disk of its own."""
    storage.remove(report.orphans)
    for job_id in report.stale_work:
        storage.remove_work(job_id)


def withdraw_lost(report: Report) -> None:
    """Rows whose bytes are gone or damaged stop promising them. For a node that can see the bytes of all rows."""
    lost = report.missing + report.damaged
    MediaFile.objects.filter(storage_key__in=lost).mark_deleted()
    storage.remove(report.damaged)


def _stale(work: Iterable[uuid.UUID]) -> list[uuid.UUID]:
    stale: list[uuid.UUID] = []
    for ids in _batches(work):
        alive = set(Job.objects.unfinished().filter(pk__in=ids).values_list("pk", flat=True))
        stale += [job_id for job_id in ids if job_id not in alive]
    return stale


def _orphans(keys: Iterable[str]) -> Iterator[str]:
    """Leaves out what a running attempt has renamed and not yet committed."""
    publishing = {
        f"{job_id}/{attempt}/"
        for job_id, attempt in Job.objects.filter(status=Status.RUNNING).values_list("pk", "attempt")
    }
    return (key for key in keys if key[: key.rfind("/") + 1] not in publishing)


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    items = list(items)
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
