"""The domain's rows: fields, constraints, verbs and selections."""

from downloads.models.audit_record import AuditRecord
from downloads.models.batch import DEFAULT_CONCURRENT_LIMIT, Batch, BatchKind, BatchStatus
from downloads.models.batch_event import BatchEvent
from downloads.models.cookies import CookieJar
from downloads.models.counter import Counter
from downloads.models.downloaded import Downloaded
from downloads.models.event import JobEvent, JobLog
from downloads.models.file import Kind, MediaFile
from downloads.models.hold import Held, Hold, HoldKind
from downloads.models.job import Job
from downloads.models.link import Link, LinkClosedError, LinkState, LinkVisit, TooManyLinksError
from downloads.models.node import Node
from downloads.models.preset import LastChoices, Preset
from downloads.models.probe import Probe, ProbeKind, ProbeStatus
from downloads.models.sample import Sample
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
from downloads.models.tally import Tally

__all__ = [
    "DEFAULT_CONCURRENT_LIMIT",
    "FINISHED",
    "LEGAL_MOVES",
    "UNFINISHED",
    "AuditRecord",
    "Batch",
    "BatchEvent",
    "BatchKind",
    "BatchStatus",
    "CookieJar",
    "Counter",
    "Downloaded",
    "Held",
    "Hold",
    "HoldKind",
    "Job",
    "JobEvent",
    "JobLog",
    "Kind",
    "LastChoices",
    "LeaseLostError",
    "Link",
    "LinkClosedError",
    "LinkState",
    "LinkVisit",
    "MediaFile",
    "Node",
    "Preset",
    "Priority",
    "Probe",
    "ProbeKind",
    "ProbeStatus",
    "Sample",
    "Stage",
    "Status",
    "Tally",
    "TooManyLinksError",
    "TransitionError",
]
