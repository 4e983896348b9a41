"""Which job a free worker slot takes next: eligible, under its caps, by priority, then fair share, then age.

Mostly the beginning of the queue tells. Where nothing of it may start, or all belongs to owners who have something
running, the first job in line of each owner who waits is looked at, and tells unless it may not start. Then the first
that may is looked for: of each owner, and past the hosts that start nothing now. So what waits behind costs nothing.
"""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from accounts.quotas import chosen
from downloads import crash_points
from downloads.models import Held, Job, TransitionError
from downloads.models.jobs import JobQuerySet
from downloads.models.line import First, InLine, heads

# Any constant will do, as long as nothing else uses it.
CLAIM_LOCK = 0x6D64_6C31
# Jobs of the queue's beginning: a few blocks of PostgreSQL.
BEGINNING = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What runs now, by owner, by host, by batch and by key; `limits` are those that owners, batches and keys have."""

    owners: Counter[Any]
    hosts: Counter[str]
    batches: Counter[Any]
    keys: Counter[Any]
    limits: dict[Any, int | None]
    # Of what is being fetched: whoever asks for the same waits for that.
    fingerprints: frozenset[Any]

    @classmethod
    def now(cls) -> Load:
        owners, batches = ("owner_id", "owner__max_concurrent_jobs"), ("batch_id", "batch__concurrent_limit")
        keys = ("api_key_id", "api_key__max_concurrent_jobs")
        rows = list(Job.objects.running().values_list(*owners, *batches, *keys, "host", "fingerprint"))
        return cls(
            owners=Counter(row[0] for row in rows),
            hosts=Counter(row[6] for row in rows),
            batches=Counter(row[2] for row in rows if row[2]),
            keys=Counter(row[4] for row in rows if row[4]),
            limits={row[at]: row[at + 1] for row in rows for at in (0, 2, 4)},
            fingerprints=frozenset(row[7] for row in rows if row[7] and settings.DOWNLOAD_REUSE_SECONDS),
        )

    def full_owners(self) -> frozenset[Any]:
        return _full(self.owners, lambda owner: chosen(self.limits[owner], settings.MAX_JOBS_PER_OWNER))

    def full_hosts(self) -> frozenset[str]:
        return _full(self.hosts, lambda _: settings.MAX_JOBS_PER_HOST)

    def full(self, running: Counter[Any]) -> frozenset[Any]:
        """Of `batches` or `keys`."""
        return _full(running, self.limits.__getitem__)


def _full(running: Counter[Any], cap_of: Callable[[Any], int | None]) -> frozenset[Any]:
    return frozenset(one for one, count in running.items() if (cap := cap_of(one)) and count >= cap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """What starts nothing now, since it is at its cap or held: told of rows that were read, and to the database."""

    owners: frozenset[Any]
    hosts: frozenset[str]
    batches: frozenset[Any]
    keys: frozenset[Any]
    fingerprints: frozenset[Any]

    @classmethod
    def by(cls, load: Load, held: Held) -> Shut:
        return cls(
            owners=load.full_owners().union(held.owners),
            hosts=load.full_hosts().union(held.hosts),
            batches=load.full(load.batches).union(held.batches),
            keys=load.full(load.keys),
            fingerprints=load.fingerprints,
        )

    def lets(self, job: InLine) -> bool:
        return (
            job.is_due
            and job.owner not in self.owners
            and job.host not in self.hosts
            and job.batch not in self.batches
            and job.key not in self.keys
            and job.fingerprint not in self.fingerprints
        )

    def startable(self) -> JobQuerySet:
        """Those that it lets start, as the database is asked for them."""
        jobs = Job.objects.eligible()
        kinds = {
            "owner": self.owners,
            "host": self.hosts,
            "batch": self.batches,
            "api_key": self.keys,
            "fingerprint": self.fingerprints,
        }
        for kind, values in kinds.items():
            if values:
                jobs = jobs.exclude(**{f"{kind}__in": values})
        return jobs

    def firsts_of(self, owners: Collection[uuid.UUID]) -> list[InLine | First]:
        """What each of them would start next, for one host or another."""
        if not owners:
            return []
        lanes = Job.objects.queued().first_of_each_lane(owners, but=self.hosts) if self.hosts else None
        if lanes is None:
            return [*self.startable().first_of_each_owner(owners)]
        # For a host that is open, and yet it may not start: one behind it could.
        hidden = {lane.owner for lane in lanes if not self.lets(lane)}
        found = [lane for lane in lanes if lane.owner not in hidden]
        return [*found, *self.startable().first_of_each_owner(hidden)] if hidden else [*found]


def claim(worker: str) -> Job | None:
    """The next job, started under a new lease in the name of `worker`; None when nothing may start now.

    One short transaction. Claims of a cluster come one after the other, so that caps are strict.
    """
    with transaction.atomic():
        _one_at_a_time()
        held = Held.now()
        if held.stops(worker):
            return None
        load = Load.now()
        shut = Shut.by(load, held)
        for job_id in _candidates(load, shut):
            try:
                job = shut.startable().get(pk=job_id)
                job.start(worker)
            except (Job.DoesNotExist, TransitionError):
                continue
            crash_points.reach("claim.before_commit")
            return job
    return None


def _one_at_a_time() -> None:
    # SQLite needs nothing: its transactions begin IMMEDIATE.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])


def _candidates(load: Load, shut: Shut) -> Iterator[uuid.UUID]:
    """Best first; the first one is nearly always taken. Of those that were not read, it may turn out not to start."""

    def rank(job: InLine | First) -> tuple[int, int, uuid.UUID]:
        return (-job.priority, load.owners[job.owner], job.id)

    line = Job.objects.queued().beginning(BEGINNING)
    firsts: dict[uuid.UUID, InLine | First] = {}
    for job in filter(shut.lets, line):
        firsts.setdefault(job.owner, job)
    best = min(firsts.values(), key=rank, default=None)
    is_all = len(line) < BEGINNING
    if best is not None:
        # What was not read is younger or of lower priority: it goes first only by the fair share of its owner.
        if is_all or not load.owners[best.owner] or line[-1].priority < best.priority:
            yield best.id
    elif is_all:
        return
    known = firsts.keys() | shut.owners
    others = [head for head in heads() if head.owner not in known]
    # Whoever has only such in the beginning that may not start: their turn could be next by one that was not read.
    if not {job.owner for job in line} - known and (best or others):
        yield min(itertools.chain(firsts.values(), others), key=rank).id
    found = shut.firsts_of([head.owner for head in others])
    yield from (first.id for first in sorted(itertools.chain(firsts.values(), found), key=rank))
