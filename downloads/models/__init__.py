"""The domain's rows: fields, constraints, verbs and selections."""

from downloads.models.counter import Counter
from downloads.models.event import JobEvent, JobLog
from downloads.models.file import Kind, MediaFile
from downloads.models.job import Job
from downloads.models.link import Link, LinkClosedError, LinkState, LinkVisit, TooManyLinksError
from downloads.models.node import Node
from downloads.models.probe import Probe, ProbeKind, ProbeStatus
from downloads.models.statuses import (
    FINISHED,
    LEGAL_MOVES,
    UNFINISHED,
    LeaseLostError,
    Priority,
    Stage,
    Status,
    TransitionError,
)

__all__ = [
    "FINISHED",
    "LEGAL_MOVES",
    "UNFINISHED",
    "Counter",
    "Job",
    "JobEvent",
    "JobLog",
    "Kind",
    "LeaseLostError",
    "Link",
    "LinkClosedError",
    "LinkState",
    "LinkVisit",
    "MediaFile",
    "Node",
    "Priority",
    "Probe",
    "ProbeKind",
    "ProbeStatus",
    "Stage",
    "Status",
    "TooManyLinksError",
    "TransitionError",
]
