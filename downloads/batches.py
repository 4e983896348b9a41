"""From a valid request to a batch, and what is done to all of a batch at once. Lists are read by expansion.py.

The API, the pages and the admin call these. What belongs to one row is a verb of the models.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from accounts.principal import Principal
from downloads import addresses, bell, cookies, crash_points, probing, quotas, reuse, submission
from downloads.api.problem import MAX_ERRORS, FieldError, Problem
from downloads.api.requests import PRIORITIES
from downloads.engine.errors import ErrorCode
from downloads.models import (
    DEFAULT_CONCURRENT_LIMIT,
    Batch,
    BatchEvent,
    BatchKind,
    BatchStatus,
    CookieJar,
    Job,
    JobEvent,
    Probe,
    ProbeKind,
    TransitionError,
)
from downloads.models.many import cancel_waiting, retry_all
from downloads.selection import Selection

STOPPED = {"error_code": str(ErrorCode.CANCELLED), "error_message": "Another download of its batch failed."}
TEMPLATES = {
    BatchKind.PLAYLIST: "playlists/{playlist}/{playlist_index:03d}-{title}.{ext}",
    BatchKind.CHANNEL: "channels/{uploader}/{upload_date}-{title}.{ext}",
}


# --- Asking -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for together: `urls`, or what `selection` chooses of the list at `url`."""

    kind: BatchKind
    urls: tuple[str, ...] = ()
    url: str = ""
    selection: Selection = field(default_factory=Selection)
    concurrent_limit: int = DEFAULT_CONCURRENT_LIMIT
    stop_on_error: bool = False
    ignore_errors: bool = True


def submit(principal: Principal, wish: Wish, options: Mapping[str, Any], probe: Probe | None = None) -> Batch:
    """With a job for each link, or none at all; without jobs yet where a list has to be read. Raises Problem.

    `probe` is one of the list that was shown to whoever chose from it; otherwise the list is looked at.
    """
    jar = cookies.usable(principal.user, options["cookies_id"])
    return _submit_links(principal, wish, options) if wish.urls else _submit_list(principal, wish, options, jar, probe)


def _submit_links(principal: Principal, wish: Wish, options: Mapping[str, Any]) -> Batch:
    hosts = _hosts(wish.urls)
    with transaction.atomic():
        submission.check_quota(principal.user, len(hosts), principal.key)
        batch = _create(principal, wish, options, status=BatchStatus.RUNNING)
        add_jobs(batch, (new_job(batch, index, url, host) for index, (url, host) in enumerate(hosts, start=1)))
        crash_points.reach("submit.before_commit")
    return batch


def _submit_list(
    principal: Principal, wish: Wish, options: Mapping[str, Any], jar: CookieJar | None, probe: Probe | None
) -> Batch:
    submission.check_policy(addresses.parse(wish.url))
    for refusal in quotas.refusals(principal.user, principal.key):
        raise refusal.problem()
    with transaction.atomic():
        probe = probe or probing.ask(principal.user, ProbeKind.LIST, wish.url, jar)
        batch = _create(principal, wish, options, status=BatchStatus.EXPANDING, probe=probe)
        bell.ring(bell.PROBE)
    return batch


def _hosts(urls: Iterable[str]) -> list[tuple[str, str]]:
    """Each URL with its host. Raises Problem that names all that are not allowed."""
    parsed = [addresses.parse(url) for url in urls]
    errors: list[FieldError] = []
    refusal: Problem | None = None
    for index, address in enumerate(parsed):
        try:
            submission.check_policy(address)
        except Problem as problem:
            refusal = refusal or problem
            errors += [FieldError(field=f"urls[{index}]", code=problem.code, message=problem.detail)]
    if refusal is not None:
        is_of_urls = bool(refusal.errors)
        raise Problem(
            refusal.status,
            refusal.code,
            f"{errors[0].field}: {refusal.detail}" if is_of_urls else refusal.detail,
            errors=errors[:MAX_ERRORS] if is_of_urls else (),
            headers=refusal.headers,
        )
    return [(address.url, address.host) for address in parsed]


def _create(principal: Principal, wish: Wish, options: Mapping[str, Any], **fields: Any) -> Batch:
    batch = Batch.objects.create(
        owner=principal.user,
        api_key=principal.key,
        kind=wish.kind,
        url=wish.url,
        selection=wish.selection.to_json(),
        concurrent_limit=wish.concurrent_limit,
        stop_on_error=wish.stop_on_error,
        ignore_errors=wish.ignore_errors,
        options=submission.options_of(options),
        priority=PRIORITIES[options["priority"]],
        start_after=options["start_after"],
        tags=options["tags"],
        client_reference=options["client_reference"],
        **fields,
    )
    BatchEvent.objects.append(batch, "created")
    return batch


# --- Its jobs ---------------------------------------------------------------------------------------------------


def new_job(batch: Batch, index: int, url: str, host: str, **fields: Any) -> Job:
    """Not written yet."""
    if batch.start_after:
        fields["eligible_at"] = submission.not_before(batch.start_after)
    return Job(
        owner_id=batch.owner_id,
        api_key_id=batch.api_key_id,
        batch=batch,
        playlist_index=index,
        url=url,
        host=host,
        options=batch.options,
        fingerprint=reuse.fingerprint(batch.owner_id, url, batch.options, **_place(batch, index, fields)),
        priority=batch.priority,
        tags=batch.tags,
        client_reference=batch.client_reference,
        retention=timedelta(hours=batch.options["retention_hours"]),
        **fields,
    )


def _place(batch: Batch, index: int, fields: dict[str, Any]) -> dict[str, Any]:
    """What a download is told of the list that it is an entry of (specs.py)."""
    if batch.kind == BatchKind.BATCH:
        return {}
    return {"playlist": batch.title, "playlist_index": index, "playlist_item": fields.get("playlist_item")}


def add_jobs(batch: Batch, jobs: Iterable[Job]) -> list[Job]:
    """In the caller's transaction, with their events and wake-ups."""
    made = Job.objects.bulk_create(jobs)
    queued = [job for job in made if not job.is_finished]
    JobEvent.objects.append_all(queued, "queued")
    JobEvent.objects.append_all((job for job in made if job.is_finished), "failed")
    for _ in range(min(len(queued), settings.WORKERS, batch.concurrent_limit)):
        bell.ring(bell.DOWNLOAD)
    return made


# --- All of it --------------------------------------------------------------------------------------------------


def cancel(batch: Batch) -> int:
    """Takes effect at once, whatever its jobs do. How many it were; none of a batch that has ended."""
    with contextlib.suppress(TransitionError):
        batch.cancel()
    return 0 if batch.has_ended else stop(batch)


def retry(batch: Batch, principal: Principal | None = None) -> int:
    """Puts the failed back in the queue, and what was cancelled because of them. TransitionError if there are none.

    They count as jobs of `principal`, all or none of them, and of nobody when the operator does it. Raises Problem.
    """
    if batch.has_ended and batch.error_code:
        batch.expand_again()
        return 0
    if batch.status == BatchStatus.STOPPING:
        raise TransitionError("retry", batch.status, what="batch")
    with transaction.atomic():
        again = batch.jobs.present().retried_with_their_batch()
        if principal:
            submission.check_quota(principal.user, again.count(), principal.key)
        Batch.objects.reopen(batch.pk)
        count = retry_all(again)
        if not count:
            raise TransitionError("retry", batch.status, what="batch")
    batch.refresh_from_db()
    return count


def stop(batch: Batch) -> int:
    """Cancels what is left of a batch that is stopping. Harmless to repeat."""
    said = {} if batch.is_cancelled else STOPPED
    count = cancel_waiting(batch.jobs, **said)
    for job in batch.jobs.running() if batch.is_cancelled else ():
        with contextlib.suppress(TransitionError):
            job.cancel()
            count += 1
    settle(batch.pk)
    batch.refresh_from_db()
    return count


def settle(batch_id: UUID) -> None:
    """Ends it if nothing is left to do, for whatever moves jobs without telling their batch."""
    with transaction.atomic():
        if Batch.objects.live().filter(pk=batch_id).update(updated_at=Now()):
            Batch.objects.get(pk=batch_id).settle()


def sweep() -> None:
    """Makes good what died between two steps."""
    for batch in Batch.objects.stopping():
        stop(batch)
    for batch_id in Batch.objects.without_work().values_list("pk", flat=True):
        settle(batch_id)
