"""The verbs of a job, for as many jobs at once as a batch may have: a few statements for some hundreds of them."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from downloads import bell
from downloads.models.counter import Counter
from downloads.models.event import JobEvent
from downloads.models.job import AFRESH, Job, ended, idle
from downloads.models.jobs import JobQuerySet
from downloads.models.statuses import FINISHED, Status

AT_ONCE = 500


def cancel_waiting(jobs: JobQuerySet, **said: str) -> int:
    """Those of `jobs` that no attempt works on. How many it were."""
    return _move_all(jobs.waiting(), "cancelled", ended(Status.CANCELLED) | said)


def retry_all(jobs: JobQuerySet) -> int:
    """`jobs` are failed or cancelled ones. Their batches are to be reopened by the caller."""
    queued = {"status": Status.QUEUED, "eligible_at": Now()}
    return _move_all(jobs.finished().exclude(status=Status.COMPLETED), "queued", idle() | queued | AFRESH)


def _move_all(jobs: JobQuerySet, event: str, changes: dict[str, Any]) -> int:
    moved = 0
    while ids := list(jobs.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            moved += _move_some(jobs, ids, event, changes)
    return moved


def _move_some(jobs: JobQuerySet, ids: list[uuid.UUID], event: str, changes: dict[str, Any]) -> int:
    """What somebody else has moved in the meantime is left out: only what carries our mark was moved by us."""
    mark = f"moved/{uuid.uuid4()}"
    new = {"version": F("version") + 1, "updated_at": Now(), **changes, "worker": mark}
    jobs.filter(pk__in=ids).update(**new)
    marked = Job.objects.filter(pk__in=ids, worker=mark)
    moved = list(marked)
    marked.update(worker="")
    JobEvent.objects.append_all(moved, event)
    if changes["status"] in FINISHED:
        Counter.objects.record_ends(moved)
    else:
        for _ in range(min(len(moved), settings.WORKERS)):
            bell.ring(bell.DOWNLOAD)
    return len(moved)
