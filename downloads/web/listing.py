"""Which jobs a page shows: what is going on, what came last, and the library page by page."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from django.utils import timezone

from downloads.models import Job, Status
from downloads.models.jobs import JobQuerySet

WAITING_SHOWN = 10
LATEST_SHOWN = 10
PAGE_SIZE = 25

Direction = Literal["before", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`position`: the place in its owner's queue, from 1; None for what is not waiting for a slot."""

    job: Job
    position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    cards: list[Card]
    hidden: int

    @property
    def count(self) -> int:
        return len(self.cards) + self.hidden


def active(jobs: JobQuerySet) -> Active:
    """Running, then waiting in the order of their turn, then paused; only the first of those that rest."""
    queued = list(jobs.queued().order_by("-priority", "id")[: WAITING_SHOWN + 1])
    paused = list(jobs.filter(status=Status.PAUSED)[: WAITING_SHOWN + 1])
    cards = [
        *(Card(job=job) for job in jobs.running().order_by("id")),
        *_in_line(queued[:WAITING_SHOWN]),
        *(Card(job=job) for job in paused[:WAITING_SHOWN]),
    ]
    overflows = len(queued) > WAITING_SHOWN or len(paused) > WAITING_SHOWN
    return Active(cards=cards, hidden=jobs.unfinished().count() - len(cards) if overflows else 0)


def _in_line(queued: Iterable[Job]) -> Iterable[Card]:
    now = timezone.now()
    for position, job in enumerate(queued, start=1):
        yield Card(job=job, position=position if job.eligible_at <= now else None)


def position_of(job: Job) -> int | None:
    if job.status != Status.QUEUED or job.eligible_at > timezone.now():
        return None
    return Job.objects.ahead_of(job).count() + 1


def latest(jobs: JobQuerySet) -> list[Job]:
    return list(jobs.last_ended().prefetch_related("files")[:LATEST_SHOWN])


# --- The library ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`older` and `newer`: the cursors of the neighbouring pages, if there are any."""

    jobs: list[Job]
    older: uuid.UUID | None
    newer: uuid.UUID | None


def page_of(jobs: JobQuerySet, direction: Direction = "before", cursor: uuid.UUID | None = None) -> Page:
    """The newest jobs, or those next to `cursor`. Costs the same however deep the page lies."""
    rows = list(_beside(jobs, direction, cursor).prefetch_related("files")[: PAGE_SIZE + 1])
    goes_on = len(rows) > PAGE_SIZE
    shown = rows[:PAGE_SIZE]
    if direction == "after":
        shown.reverse()
    has_older = goes_on if direction == "before" else bool(shown)
    has_newer = goes_on if direction == "after" else cursor is not None
    return Page(
        jobs=shown,
        older=shown[-1].pk if shown and has_older else None,
        newer=shown[0].pk if shown and has_newer else None,
    )


def _beside(jobs: JobQuerySet, direction: Direction, cursor: uuid.UUID | None) -> JobQuerySet:
    ordered = jobs.order_by("id" if direction == "after" else "-id")
    return ordered if cursor is None else ordered.filter(**{"id__gt" if direction == "after" else "id__lt": cursor})
