"""From an event to the rows that tell of it: called in the event's own transaction, so that both commit or neither.

A job whose owner has no endpoint, and whose request named no address, costs one look at an index.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from downloads import addresses, crash_points
from downloads.library import files_of
from downloads.models import Batch, Job, Status
from webhooks import messages
from webhooks.models import Delivery, Endpoint
from webhooks.models.endpoint import WebhookStateError

# Files that are kept for less than an hour are announced a quarter of their time before.
EXPIRY_NOTICE = timedelta(minutes=15)
EXPIRY_FRACTION = 4

# With the address: an endpoint for requests has many.
Target = tuple[Endpoint, str]


def record(jobs: Sequence[Job], kind: str) -> None:
    """A witness of downloads.models.event."""
    event = messages.BY_KIND.get(kind)
    if event is None:
        return
    directory = Directory({job.owner_id for job in jobs})
    if kind == "started":
        for job in jobs:
            job.is_progress_told = bool(directory.targets(job, messages.PROGRESS))
    told = [(job, targets) for job in jobs if (targets := directory.targets(job, event))]
    if told and event == messages.PROGRESS:
        _write_progress(told)
    elif told:
        _write(event, told)
        crash_points.reach("webhook.recorded")


def record_batch(batch: Batch, kind: str) -> None:
    """A witness of downloads.models.batch_event; `completed` is the end of a batch, whatever came of it."""
    if kind != "completed":
        return
    if targets := Directory({batch.owner_id}).targets(batch, messages.BATCH_COMPLETED):
        body = messages.of_batch(batch)
        rows = [_delivery(*target, messages.BATCH_COMPLETED, body, request_id=batch.pk) for target in targets]
        Delivery.objects.write(rows)


def record_test(endpoint: Endpoint) -> Delivery:
    """Raises WebhookStateError, and Endpoint.DoesNotExist."""
    if endpoint.is_for_requests or not endpoint.is_enabled:
        raise WebhookStateError(gettext("A test needs a webhook that has an address and is enabled."))
    delivery = _delivery(endpoint, endpoint.url, messages.TEST, messages.of_test())
    with transaction.atomic():
        if not Endpoint.objects.lock(endpoint.pk):
            raise Endpoint.DoesNotExist
        Delivery.objects.write([delivery])
    return delivery


class Directory:
    """Who may want to hear of jobs of these owners. Of an owner without endpoints only that is asked."""

    def __init__(self, owners: Iterable[uuid.UUID]) -> None:
        self._of_account: defaultdict[uuid.UUID, list[Endpoint]] = defaultdict(list)
        self._of_requests: dict[uuid.UUID, Endpoint] = {}
        reachable = [*filter(Endpoint.objects.has_enabled, owners)]
        for endpoint in Endpoint.objects.listening(reachable) if reachable else ():
            if endpoint.is_for_requests:
                self._of_requests[endpoint.owner_id] = endpoint
            else:
                self._of_account[endpoint.owner_id].append(endpoint)

    def targets(self, subject: Job | Batch, event: str) -> list[Target]:
        found = [(endpoint, endpoint.url) for endpoint in self._of_account[subject.owner_id] if endpoint.hears(event)]
        url = subject.options.get("webhook_url")
        if url and event in (subject.options.get("webhook_events") or ()):
            endpoint = self._for_requests(subject.owner_id)
            return [*found, (endpoint, url)] if endpoint.is_enabled else found
        return found

    def _for_requests(self, owner_id: uuid.UUID) -> Endpoint:
        if owner_id not in self._of_requests:
            self._of_requests[owner_id] = Endpoint.objects.of_requests(owner_id)
        return self._of_requests[owner_id]


def _write(event: str, told: Sequence[tuple[Job, list[Target]]]) -> None:
    files = files_of([job for job, _ in told]) if event == messages.COMPLETED else {}
    rows = []
    for job, targets in told:
        body = messages.of_job(event, job, files.get(job.pk, ()))
        rows += [_delivery(endpoint, url, event, body, request_id=job.pk) for endpoint, url in targets]
    Delivery.objects.write(rows)


def _write_progress(told: Sequence[tuple[Job, list[Target]]]) -> None:
    """What waits unsent is replaced, so that a receiver that is slow gets less and not later."""
    fresh = []
    for job, targets in told:
        body = messages.of_job(messages.PROGRESS, job, ())
        waiting = Delivery.objects.waiting().filter(event=messages.PROGRESS, request_id=job.pk)
        for endpoint, url in targets:
            if not waiting.filter(endpoint=endpoint).update(body=body):
                fresh.append(_delivery(endpoint, url, messages.PROGRESS, body, request_id=job.pk))
    Delivery.objects.write(fresh)


def _delivery(
    endpoint: Endpoint, url: str, event: str, body: str, *, request_id: uuid.UUID | None = None, occasion: str = ""
) -> Delivery:
    return Delivery(
        endpoint=endpoint,
        owner_id=endpoint.owner_id,
        event=event,
        request_id=request_id,
        occasion=occasion,
        url=url,
        lane=_lane(endpoint, url),
        body=body,
    )


def _lane(endpoint: Endpoint, url: str) -> str:
    host = f" {addresses.parse(url).host}" if endpoint.is_for_requests else ""
    return f"{endpoint.pk}{host}"


# --- What no verb of a job causes -------------------------------------------------------------------------------


def announce_expiring() -> None:
    """Harmless to repeat: an endpoint is told once of each time of expiry."""
    soon = list(_expiring())
    directory = Directory({job.owner_id for job in soon}) if soon else None
    for job in soon:
        if directory and (targets := directory.targets(job, messages.EXPIRING)):
            _announce(job, targets)


def _announce(job: Job, targets: list[Target]) -> None:
    occasion = f"{messages.EXPIRING} {job.pk} {job.expires_at:%Y%m%dT%H%M%S.%f}"
    told = Delivery.objects.filter(endpoint__in=[endpoint for endpoint, _ in targets], occasion=occasion)
    known = set(told.values_list("endpoint", flat=True))
    if fresh := [target for target in targets if target[0].pk not in known]:
        body = messages.of_job(messages.EXPIRING, job, files_of([job])[job.pk])
        rows = [
            _delivery(endpoint, url, messages.EXPIRING, body, request_id=job.pk, occasion=occasion)
            for endpoint, url in fresh
        ]
        Delivery.objects.write(rows, ignore_conflicts=True)


def _expiring() -> Iterable[Job]:
    hears = Endpoint.objects.enabled().filter(owner=OuterRef("owner"))
    soon: QuerySet[Job] = Job.objects.present().filter(
        Exists(hears), status=Status.COMPLETED, expires_at__gt=Now(), expires_at__lte=Now() + EXPIRY_NOTICE
    )
    now = timezone.now()
    return (job for job in soon.iterator() if _is_time(job, now))


def _is_time(job: Job, now: datetime) -> bool:
    return job.expires_at is not None and job.expires_at - now <= job.retention / EXPIRY_FRACTION
