"""What streams and waiting requests are told: how jobs stand whenever one of them has moved or got further.

A message carries the whole job, so that one more or less does no harm. Channels: `job:<id>` and `owner:<id>` for
streams. To requests that wait, `moves:<id>` says only that a job has changed its status or stage, and `probe:<id>` that
a probe has ended.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from django.db.models import Max, Q
from django.utils import timezone

from downloads.api.representation import represent, written
from downloads.library import files_of
from downloads.models import Job, JobEvent, MediaFile, Probe, Status

# Ids become visible when their transaction commits, which is not the order in which they were given out: for so long
# a missing id may still come.
GAP_SECONDS = 10.0
REPLAYED_IDS = 64
# Whoever has been away for longer is told how things stand now.
TOO_OLD_IDS = 100_000
MAX_MESSAGES = 200
MAX_DIGITS = 18
END = "end"

JOB, OWNER, MOVES, PROBE = "job", "owner", "moves", "probe"


def job_channel(job_id: uuid.UUID) -> str:
    return f"{JOB}:{job_id}"


def owner_channel(owner_id: uuid.UUID) -> str:
    return f"{OWNER}:{owner_id}"


def moves_channel(job_id: uuid.UUID) -> str:
    return f"{MOVES}:{job_id}"


def probe_channel(probe_id: uuid.UUID) -> str:
    return f"{PROBE}:{probe_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    channel: str
    id: int | str
    event: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Every event up to `settled` is done with; above it there are gaps, and `seen` has when what was first read.

    `versions` are those of running jobs.
    """

    settled: int
    seen: Mapping[int, float] = field(default_factory=dict)
    versions: Mapping[uuid.UUID, int] = field(default_factory=dict)

    @classmethod
    def now(cls) -> Cursor:
        """Of the latest ids, those that are missing may still come; those that are there are done with."""
        floor = max(0, last_event_id() - REPLAYED_IDS)
        ids = JobEvent.objects.filter(pk__gt=floor).values_list("pk", flat=True)
        return cls(settled=floor).past(ids, {})

    def past(self, ids: Iterable[int], versions: Mapping[uuid.UUID, int]) -> Cursor:
        moment = time.monotonic()
        settled, seen = self.settled, dict.fromkeys(ids, moment) | dict(self.seen)
        for event_id in sorted(seen):
            if event_id != settled + 1 and moment - seen[event_id] < GAP_SECONDS:
                break
            settled = event_id
            del seen[event_id]
        return Cursor(settled=settled, seen=seen, versions=versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    messages: list[Message]
    cursor: Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    event_id: int
    job_id: uuid.UUID
    owner_id: uuid.UUID
    kind: str


class Source:
    """What mediadl.asgi's hub asks. Called by one thread, one call at a time."""

    def snapshot(self, channel: str, after: str | None) -> Batch:
        cursor, last = Cursor.now(), last_event_id()
        kind, subject = _parsed(channel)
        if kind == PROBE:
            return Batch(messages=_ended_probes([channel]), cursor=cursor)
        if kind == MOVES:
            return Batch(messages=_has_moved(channel, subject, _number(after) or 0), cursor=cursor)
        jobs = list(Job.objects.filter(pk=subject)) if kind == JOB else _standing(subject, _number(after), last)
        files = files_of(jobs)
        messages = [Message(channel=channel, id=last, data=_body(job, files[job.pk], "snapshot")) for job in jobs]
        if kind == JOB and all(job.is_finished for job in jobs):
            messages.append(_farewell(channel, last))
        return Batch(messages=messages, cursor=cursor)

    def poll(self, cursor: Cursor, channels: frozenset[str]) -> Batch:
        fresh = [move for move in _moves_after(cursor.settled) if move.event_id not in cursor.seen]
        moves = {move.job_id: move for move in fresh if not channels.isdisjoint(_channels_of(move))}
        versions = _running_versions(channels)
        ahead = {job_id for job_id, version in versions.items() if cursor.versions.get(job_id) != version}
        jobs = list(Job.objects.present().filter(pk__in=ahead | moves.keys())) if ahead or moves else []
        messages = [message for message in _messages(jobs, moves) if message.channel in channels]
        messages += _ended_probes(channels)
        return Batch(messages=messages, cursor=cursor.past((move.event_id for move in fresh), versions))


# --- What is read -----------------------------------------------------------------------------------------------


def last_event_id(job_id: uuid.UUID | None = None) -> int:
    events = JobEvent.objects.filter(job=job_id) if job_id else JobEvent.objects.all()
    last: int | None = events.aggregate(last=Max("pk"))["last"]
    return last or 0


def _parsed(channel: str) -> tuple[str, uuid.UUID]:
    kind, _, subject = channel.partition(":")
    return kind, uuid.UUID(subject)


def _number(after: str | None) -> int | None:
    """None for what we have not given out."""
    return int(after) if after and after.isascii() and after.isdecimal() and len(after) <= MAX_DIGITS else None


def _has_moved(channel: str, job_id: uuid.UUID, after: int) -> list[Message]:
    moves = JobEvent.objects.filter(job=job_id, pk__gt=after).values_list("pk", flat=True)
    return [Message(channel=channel, id=event_id) for event_id in moves[:1]]


def _ended_probes(channels: Iterable[str]) -> list[Message]:
    """Said again and again, until whoever waits for it has left."""
    waited_for = [subject for kind, subject in map(_parsed, channels) if kind == PROBE]
    ended = Probe.objects.ended().filter(pk__in=waited_for).values_list("pk", flat=True) if waited_for else ()
    return [Message(channel=probe_channel(probe_id), id="") for probe_id in ended]


def _standing(owner_id: uuid.UUID, after: int | None, last: int) -> list[Job]:
    """What has changed since `after`, else all that are still to end, running ones first."""
    jobs = Job.objects.present().filter(owner=owner_id)
    if after is not None and last - after < TOO_OLD_IDS:
        # Told again is what may have come late.
        events = JobEvent.objects.filter(owner=owner_id, pk__gt=after - REPLAYED_IDS)
        return list(jobs.filter(pk__in=events.values("job"))[:MAX_MESSAGES])
    running = list(jobs.running()[:MAX_MESSAGES])
    return running + list(jobs.unfinished().exclude(status=Status.RUNNING)[: MAX_MESSAGES - len(running)])


def _moves_after(settled: int) -> Iterator[Move]:
    # Of all jobs: a gap in what was asked for could not be told from one in what was given out.
    for event in JobEvent.objects.filter(pk__gt=settled).values_list("pk", "job", "owner", "kind"):
        yield Move(event_id=event[0], job_id=event[1], owner_id=event[2], kind=event[3])


def _running_versions(channels: frozenset[str]) -> dict[uuid.UUID, int]:
    subjects: defaultdict[str, list[uuid.UUID]] = defaultdict(list)
    for channel in channels:
        kind, subject = _parsed(channel)
        subjects[kind].append(subject)
    heard = Q(pk__in=subjects[JOB]) | Q(owner__in=subjects[OWNER])
    return dict(Job.objects.running().filter(heard).values_list("pk", "version"))


# --- What is said -----------------------------------------------------------------------------------------------


def _channels_of(move: Move) -> tuple[str, str, str]:
    return job_channel(move.job_id), owner_channel(move.owner_id), moves_channel(move.job_id)


def _messages(jobs: list[Job], moves: Mapping[uuid.UUID, Move]) -> Iterator[Message]:
    files = files_of(jobs)
    for job in sorted(jobs, key=lambda job: moves[job.pk].event_id if job.pk in moves else 0):
        move = moves.get(job.pk)
        # Progress has no id of its own: whoever comes back with the last one misses none.
        event_id = move.event_id if move else ""
        body = _body(job, files[job.pk], move.kind if move else "progress")
        for channel in (job_channel(job.pk), owner_channel(job.owner_id)):
            yield Message(channel=channel, id=event_id, data=body)
        if move:
            yield Message(channel=moves_channel(job.pk), id=event_id)
        if move and job.is_finished:
            yield _farewell(job_channel(job.pk), event_id)


def _farewell(channel: str, event_id: int | str) -> Message:
    return Message(channel=channel, id=event_id, event=END, data="{}")


def _body(job: Job, files: list[MediaFile], kind: str) -> str:
    """The shape that webhooks have, too."""
    body = {
        "event": f"download.{kind}",
        "timestamp": written(timezone.now()),
        "request_id": str(job.pk),
        "data": represent(job, files=files),
    }
    return json.dumps(body, separators=(",", ":"))
