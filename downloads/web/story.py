"""A job's events as its timeline tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext, gettext_noop

from downloads.engine.errors import kind_of
from downloads.models import Job, JobEvent, Stage

STEPS_SHOWN = 60
WORDS = {
    "queued": (gettext_noop("Queued"), ""),
    "started": (gettext_noop("Attempt {attempt} began"), ""),
    "stage": ("{stage}", ""),
    "retrying": (gettext_noop("Did not work; will be tried again"), "warn"),
    "lost": (gettext_noop("The worker disappeared; queued again"), "warn"),
    "paused": (gettext_noop("Paused"), "warn"),
    "completed": (gettext_noop("Completed"), "good"),
    "failed": (gettext_noop("Failed"), "bad"),
    "cancelled": (gettext_noop("Cancelled"), ""),
    "kept": (gettext_noop("Kept"), ""),
    "expired": (gettext_noop("Files deleted: their time was over"), ""),
    "evicted": (gettext_noop("Files deleted: the storage was full"), "warn"),
    "deleted": (gettext_noop("Files deleted by an operator"), ""),
    "discarded": (gettext_noop("Deleted"), ""),
    "restored": (gettext_noop("Deletion undone"), ""),
    "file_discarded": (gettext_noop("A file was deleted"), ""),
    "file_restored": (gettext_noop("Deletion of a file undone"), ""),
    "fetched": (gettext_noop("Files deleted: they had been fetched"), ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`tone`: good, bad, warn or nothing. `reason`: an error's title."""

    at: datetime
    text: str
    tone: str
    reason: str


def of(job: Job) -> list[Step]:
    """Oldest first; of a very long story the end."""
    newest = list(job.events.order_by("-id")[:STEPS_SHOWN])
    return [_step(event) for event in reversed(newest)]


def _step(event: JobEvent) -> Step:
    text, tone = WORDS.get(event.kind, (event.kind.replace("_", " ").capitalize(), ""))
    stage = event.data.get("stage", "")
    name = Stage(stage).label if stage in Stage.values else gettext("Next stage")
    said = gettext(text).format(attempt=event.attempt, stage=name)
    return Step(at=event.created_at, text=said, tone=tone, reason=_reason(event.data.get("error_code", "")))


def _reason(code: str) -> str:
    kind = kind_of(code)
    return gettext(kind.title) if kind else ""
