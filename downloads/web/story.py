"""A job's events as its timeline tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from downloads.engine.errors import ERRORS, ErrorCode
from downloads.models import Job, JobEvent, Stage

STEPS_SHOWN = 60
WORDS = {
    "queued": ("Queued", ""),
    "started": ("Attempt {attempt} began", ""),
    "stage": ("{stage}", ""),
    "retrying": ("Did not work; will be tried again", "warn"),
    "lost": ("The worker disappeared; queued again", "warn"),
    "paused": ("Paused", "warn"),
    "completed": ("Completed", "good"),
    "failed": ("Failed", "bad"),
    "cancelled": ("Cancelled", ""),
    "kept": ("Kept", ""),
    "expired": ("Files deleted: their time was over", ""),
    "evicted": ("Files deleted: the storage was full", "warn"),
    "deleted": ("Files deleted by an operator", ""),
    "discarded": ("Deleted", ""),
    "restored": ("Deletion undone", ""),
    "file_discarded": ("A file was deleted", ""),
    "file_restored": ("Deletion of a file undone", ""),
    "fetched": ("Files deleted: they had been fetched", ""),
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
    said = text.format(attempt=event.attempt, stage=Stage(stage).label if stage in Stage.values else "Next stage")
    return Step(at=event.created_at, text=said, tone=tone, reason=_reason(event.data.get("error_code", "")))


def _reason(code: str) -> str:
    return ERRORS[ErrorCode(code)].title if code in ERRORS else ""
