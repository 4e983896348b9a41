"""Which job a free worker slot takes next: eligible, under its caps, by priority, then fair share, then age."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, F, IntegerField, Value, When
from django.db.models.functions import Coalesce

from accounts.models import User
from downloads import crash_points
from downloads.models import Held, Job, TransitionError

# Any constant will do, as long as nothing else uses it.
CLAIM_LOCK = 0x6D64_6C31


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What runs now, by owner, by host, by batch and by key; `limits` are those of the batches and keys."""

    owners: Counter[Any]
    hosts: Counter[str]
    batches: Counter[Any]
    keys: Counter[Any]
    limits: dict[Any, int | None]
    # Of what is being fetched: whoever asks for the same waits for that.
    fingerprints: frozenset[Any]

    @classmethod
    def now(cls) -> Load:
        batches, keys = ("batch_id", "batch__concurrent_limit"), ("api_key_id", "api_key__max_concurrent_jobs")
        rows = list(Job.objects.running().values_list("owner_id", "host", *batches, *keys, "fingerprint"))
        return cls(
            owners=Counter(row[0] for row in rows),
            hosts=Counter(row[1] for row in rows),
            batches=Counter(row[2] for row in rows if row[2]),
            keys=Counter(row[4] for row in rows if row[4]),
            limits={row[2]: row[3] for row in rows} | {row[4]: row[5] for row in rows},
            fingerprints=frozenset(row[6] for row in rows if row[6] and settings.DOWNLOAD_REUSE_SECONDS),
        )

    def full_hosts(self) -> list[str]:
        cap = settings.MAX_JOBS_PER_HOST
        return [host for host, count in self.hosts.items() if cap and count >= cap]

    def full(self, running: Counter[Any]) -> list[Any]:
        """Of `batches` or `keys`."""
        return [one for one, count in running.items() if (cap := self.limits[one]) and count >= cap]


def claim(worker: str) -> Job | None:
    """The next job, started under a new lease in the name of `worker`; None when nothing may start now.

    One short transaction. Claims of a cluster come one after the other, so that caps are strict.
    """
    with transaction.atomic():
        _one_at_a_time()
        held = Held.now()
        if held.stops(worker):
            return None
        for job in _candidates(Load.now(), held):
            try:
                job.start(worker)
            except TransitionError:
                continue
            crash_points.reach("claim.before_commit")
            return job
    return None


def _one_at_a_time() -> None:
    # SQLite needs nothing: its transactions begin IMMEDIATE.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])


def _candidates(load: Load, held: Held) -> Iterable[Job]:
    """The first job of each owner who may start one more, best first."""
    jobs = Job.objects.eligible()
    if full := [*load.full_hosts(), *held.hosts]:
        jobs = jobs.exclude(host__in=full)
    if closed := [*load.full(load.batches), *held.batches]:
        jobs = jobs.exclude(batch__in=closed)
    if full_keys := load.full(load.keys):
        jobs = jobs.exclude(api_key__in=full_keys)
    if load.fingerprints:
        jobs = jobs.exclude(fingerprint__in=load.fingerprints)
    owners = _owners_with_room(load)
    if held.owners:
        owners = owners.exclude(pk__in=held.owners)
    first = [job_id for owner, job_id in jobs.first_of_each_owner(owners) if job_id]
    rows = Job.objects.filter(pk__in=first)
    return sorted(rows, key=lambda job: (-job.priority, load.owners[job.owner_id], job.id))


def _owners_with_room(load: Load) -> Any:
    busy = [owner for owner, count in load.owners.items() if count]
    owners = User.objects.get_queryset()
    if not busy:
        return owners
    running = Case(
        *(When(pk=owner, then=Value(count)) for owner, count in load.owners.items()),
        default=Value(0),
        output_field=IntegerField(),
    )
    cap = Coalesce(F("max_concurrent_jobs"), Value(settings.MAX_JOBS_PER_OWNER))
    return owners.annotate(running=running, cap=cap).exclude(cap__gt=0, running__gte=F("cap"))
