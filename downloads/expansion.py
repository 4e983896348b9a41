"""A list's batch gets its jobs: some hundred entries at a time, each chunk and the count of it in one transaction.

The probe has read the list (probing.py), and its row stays as long as a batch needs it. Whoever dies in the middle
leaves a count that the next goes on from; of two that go on at once, one finds the count changed and leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from downloads import addresses, batches, bell, cookies, crash_points, probing, quotas, submission, workers
from downloads.api.problem import Problem
from downloads.engine.errors import ErrorCode, JobError, known
from downloads.models import Batch, Downloaded, Job, Probe, ProbeKind, ProbeStatus, Status, TransitionError
from downloads.models.downloaded import Key, address_key, key_of
from downloads.selection import Entry, NothingError, Selection, TooManyError

log = structlog.get_logger(__name__)

AT_ONCE = 200


def expand_waiting() -> None:
    """All batches whose list has been read. Each for itself: one that cannot go on must not keep the others."""
    for batch in Batch.objects.expanding().select_related("probe"):
        try:
            expand(batch)
        except TransitionError:
            log.info("expansion_left", batch_id=str(batch.pk))
        except Exception:
            log.exception("expansion_failed", batch_id=str(batch.pk))


def ring_for_waiting() -> None:
    """A batch whose list has been read, or that has lost its probe, and no bell for it."""
    ready = Batch.objects.expanding().exclude(probe__in=Probe.objects.live())
    if ready.exists():
        bell.ring(bell.PROBE)


def expand(batch: Batch) -> None:
    """Raises TransitionError when another worker is at it, or the batch has been cancelled."""
    probe = batch.probe
    if probe is None:
        _ask(batch)
    elif probe.status == ProbeStatus.FAILED:
        batch.fail(JobError(known(probe.error_code), probe.error_message))
    elif probe.status == ProbeStatus.DONE and probe.result is not None:
        _expand(batch, probe.result)


def _ask(batch: Batch) -> None:
    """Anew: the row has gone, or the list is to be read once more."""
    try:
        jar = cookies.usable(batch.owner, batch.options.get("cookies_id"))
        probe = probing.ask(batch.owner, ProbeKind.LIST, batch.url, jar)
    except Problem as problem:
        if problem.code == ErrorCode.COOKIES_GONE:
            batch.fail(JobError(ErrorCode.COOKIES_GONE))
            return
        log.info("expansion_waits", batch_id=str(batch.pk), reason=problem.code)
    else:
        Batch.objects.expanding().filter(pk=batch.pk).update(probe=probe)
        bell.ring(bell.PROBE)


def _expand(batch: Batch, found: dict[str, Any]) -> None:
    try:
        plan = Selection.from_json(batch.selection).plan(found["items"], is_truncated=found["truncated"])
    except TooManyError:
        batch.fail(_too_many())
        return
    except NothingError:
        count = len(found["items"])
        batch.fail(JobError(ErrorCode.NOT_FOUND, f"The list has {count} entries, and none of those that were named"))
        return
    if not batch.title:
        Batch.objects.filter(pk=batch.pk).update(title=(found["title"] or found["uploader"] or "")[:1000])
        batch.refresh_from_db()
    _add_all(batch, plan)


def _too_many() -> JobError:
    limit = settings.MAX_PLAYLIST_ITEMS
    detail = f"The list has more than {limit} entries. Name some of the first {limit}, or give max_downloads"
    return JobError(ErrorCode.PLAYLIST_TOO_LARGE, detail)


def _add_all(batch: Batch, plan: Sequence[Entry]) -> None:
    most = Selection.from_json(batch.selection).max_downloads
    while batch.expanded < len(plan) and (most is None or _made(batch) < most):
        if workers.is_draining():
            return
        try:
            count = max(1, min(AT_ONCE, quotas.room(batch.owner, batch.api_key)))
            _add_some(batch, plan[batch.expanded : batch.expanded + count], most)
        except Problem as problem:  # the owner's quota is used up: the rest comes when it has room
            log.info("expansion_waits", batch_id=str(batch.pk), reason=problem.code)
            return
        crash_points.reach("expand.after_chunk")
    batch.finish_expanding()


def _made(batch: Batch) -> int:
    return batch.expanded - batch.skipped


def _add_some(batch: Batch, entries: Sequence[Entry], most: int | None) -> None:
    selection = Selection.from_json(batch.selection)
    with transaction.atomic():
        known = _known(batch, entries) if selection.skips_downloaded else set()
        wanted = [entry for entry in entries if known.isdisjoint(_keys(batch, entry))]
        if most is not None and len(wanted) > most - _made(batch):
            wanted = wanted[: most - _made(batch)]
            entries = entries[: entries.index(wanted[-1]) + 1] if wanted else []
        submission.check_quota(batch.owner, len(wanted), batch.api_key)
        batch.advance(len(entries), len(entries) - len(wanted))
        batches.add_jobs(batch, _jobs(batch, wanted))
        crash_points.reach("expand.before_commit")


def _jobs(batch: Batch, entries: Sequence[Entry]) -> Iterator[Job]:
    for entry in entries:
        yield _job(batch, entry)


def _job(batch: Batch, entry: Entry) -> Job:
    """An entry whose address cannot be used is a job that has failed."""
    index, url, fields = entry["playlist_index"], entry["url"], _shown(batch, entry)
    try:
        address = addresses.parse(url)
        submission.check_policy(address)
    except addresses.AddressError as error:
        return batches.new_job(batch, index, url, "", **fields, **_failed(ErrorCode.UNSUPPORTED_URL, str(error)))
    except Problem as problem:
        if problem.code != ErrorCode.DOMAIN_NOT_ALLOWED:
            raise
        return batches.new_job(
            batch, index, url, address.host, **fields, **_failed(ErrorCode(problem.code), problem.detail)
        )
    return batches.new_job(batch, index, address.url, address.host, **fields)


def _shown(batch: Batch, entry: Entry) -> dict[str, Any]:
    """What is known of the media before they are looked at."""
    return {
        "title": (entry["title"] or "")[:1000],
        "duration": entry["duration"],
        "playlist_item": _item(batch, entry),
    }


def _failed(code: ErrorCode, message: str) -> dict[str, Any]:
    return {"status": Status.FAILED, "error_code": code, "error_message": message, "finished_at": timezone.now()}


def _item(batch: Batch, entry: Entry) -> int | None:
    """An entry without a page of its own has the list's."""
    return entry["playlist_index"] if _address(entry) == batch.url else None


def _address(entry: Entry) -> str:
    """As jobs have it: in its normal form, if it has one."""
    url: str = entry["url"]
    try:
        return addresses.parse(url).url
    except addresses.AddressError:
        return url


# --- What has been had before -----------------------------------------------------------------------------------


def _known(batch: Batch, entries: Sequence[Entry]) -> set[Key]:
    keys = (key for entry in entries for key in _keys(batch, entry))
    return Downloaded.objects.known(batch.owner_id, keys)


def _keys(batch: Batch, entry: Entry) -> list[Key]:
    by_id = key_of(entry.get("extractor"), entry["id"])
    return [address_key(_address(entry), _item(batch, entry)), *([by_id] if by_id else [])]
