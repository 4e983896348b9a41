"""The words for a job's state, and which moves between them are legal."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    """queued → running → completed | failed | cancelled; queued and running ⇄ paused; failed | cancelled → queued."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


FINISHED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
UNFINISHED = (Status.QUEUED, Status.RUNNING, Status.PAUSED)

LEGAL_MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.PAUSED, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.QUEUED, Status.PAUSED, *FINISHED}),
    Status.PAUSED: frozenset({Status.QUEUED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.CANCELLED: frozenset({Status.QUEUED}),
}


class Stage(models.TextChoices):
    EXTRACTING = "extracting", _("Looking at the page")
    DOWNLOADING = "downloading", _("Downloading")
    POSTPROCESSING = "postprocessing", _("Processing")
    PUBLISHING = "publishing", _("Publishing")


class Priority(models.IntegerChoices):
    LOW = -10, _("Low")
    NORMAL = 0, _("Normal")
    HIGH = 10, _("High")


class TransitionError(Exception):
    """The job was not in a state that allows the move: somebody else moved it, or it was never legal."""

    def __init__(self, verb: str, status: str, what: str = "job") -> None:
        super().__init__(f"A {what} that is {status} cannot be changed this way ({verb}).")
        self.verb = verb
        self.status = status


class LeaseLostError(TransitionError):
    """The attempt no longer owns the job: kill the child and touch nothing."""
