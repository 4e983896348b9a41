"""What it costs to claim the next job while none, few, 10,000 and 100,000 others wait.

In time, and in what the database does for it, which no other load disturbs: PostgreSQL's blocks that were looked at,
SQLite's instructions. Of twenty owners by turns, and of one alone, the beginning of the queue tells. It does not of
twenty one after the other who are all busy or at their limit, nor of a host at its limit in front of all others.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bench.stand import databases, line, measure_apart, timed

OWNERS = 20
HOST, FULL_HOST, HOST_LIMIT = "media.example.org", "full.example.org", 4
FEW = 100
WAITING = (0, FEW, 10_000, 100_000)
CLAIMS = 100
COUNTED = 21
STEP = 10
BOUND = 1.5
WORKER = "bench/1/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`waiting` says whose jobs wait, in this order; those of `running` have one that runs; `next` submit by turns."""

    name: str
    waiting: Callable[[int], list[Any]]
    host: str = HOST
    running: Sequence[Any] = ()
    next: Sequence[Any]
    limits: Mapping[str, int] = field(default_factory=dict)


def main() -> None:
    if "--here" in sys.argv:
        measure()
        return
    for database in databases():
        measure_apart("bench.claims", database)


def measure() -> None:
    """In a process whose environment names the database."""
    import django  # noqa: PLC0415 - settings are read from the environment

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    owners = [User.objects.create(username=f"owner-{number}", password="!") for number in range(OWNERS + 1)]
    for case in cases(*owners):
        with override_settings(**case.limits):
            compare(case)


def cases(other: Any, *owners: Any) -> Iterator[Case]:
    def by_turns(waiting: int) -> list[Any]:
        return list(owners) * (waiting // OWNERS)

    def one_after_the_other(waiting: int) -> list[Any]:
        return [owner for owner in owners for _ in range(waiting // OWNERS)]

    yield Case(name="20 owners by turns", waiting=by_turns, next=owners)
    yield Case(name="1 owner", waiting=lambda waiting: [owners[0]] * waiting, next=owners[:1])
    yield Case(name="20 busy owners", waiting=one_after_the_other, running=owners, next=owners)
    yield Case(
        name="20 owners at their limit before another",
        waiting=one_after_the_other,
        running=owners,
        next=[other],
        limits={"MAX_JOBS_PER_OWNER": 1},
    )
    yield Case(
        name="20 owners, a host at its limit before another",
        waiting=one_after_the_other,
        host=FULL_HOST,
        running=owners[:HOST_LIMIT],
        next=owners,
        limits={"MAX_JOBS_PER_HOST": HOST_LIMIT},
    )


def compare(case: Case) -> None:
    from django.db import connection  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from downloads.models import Status  # noqa: PLC0415

    unit = "blocks" if connection.vendor == "postgresql" else "instructions"
    bases: dict[int, float] = {}
    for waiting in WAITING:
        clear()
        fill(case.waiting(waiting), case.host)
        for owner in case.running:
            lease = {"lease": uuid.uuid4(), "lease_expires_at": timezone.now() + timedelta(hours=1)}
            runs = {"status": Status.RUNNING, "attempt": 1, "worker": "bench/2/1", "started_at": timezone.now()}
            job_of(owner, 0, case.host, **runs, **lease).save()
        print(line(f"{connection.vendor}: claim, {case.name}, {waiting:,} others queued", claims(case.next)))
        work = sorted(efforts(case.next))[COUNTED // 2]
        bases[waiting] = work
        ratios = [f"{work / base:.2f} of {fewer:,}" for fewer, base in bases.items() if fewer <= FEW]
        print(f"   {work:,.0f} {unit}: {', '.join(ratios)} (bound {BOUND})", flush=True)


def clear() -> None:
    """Without Django, which would read a hundred thousand rows first."""
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        for table in ("downloads_jobevent", "downloads_job"):
            cursor.execute(f"DELETE FROM {table}")


def fill(owners: list[Any], host: str) -> None:
    """A queued job of each, and the statistics that a server keeps by itself."""
    from django.db import connection  # noqa: PLC0415

    from downloads.models import Job  # noqa: PLC0415

    Job.objects.bulk_create((job_of(owner, number, host) for number, owner in enumerate(owners)), batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def job_of(owner: Any, number: int, host: str = HOST, **fields: Any) -> Any:
    from downloads.models import Job  # noqa: PLC0415

    return Job(owner=owner, url=f"https://{host}/{number}", host=host, **fields)


def claims(owners: Sequence[Any]) -> list[float]:
    return [timed(claim) for claim in to_claim(owners, CLAIMS)]


def efforts(owners: Sequence[Any]) -> list[float]:
    from django.db import connection  # noqa: PLC0415

    counted = blocks if connection.vendor == "postgresql" else instructions
    return [counted(claim) for claim in to_claim(owners, COUNTED)]


def to_claim(owners: Sequence[Any], count: int) -> Iterator[Callable[[], Any]]:
    """Each after a submission, and what it has claimed is gone before the next, so that as many go on waiting."""
    from downloads.claims import claim  # noqa: PLC0415
    from downloads.models import Job  # noqa: PLC0415

    for number in range(count):
        job_of(owners[number % len(owners)], number).save()
        yield lambda: claim(WORKER)
        gone, _ = Job.objects.running().filter(worker=WORKER).delete()
        assert gone


def blocks(action: Callable[[], Any]) -> float:
    """Without those of asking for them."""
    first, second = blocks_so_far(), blocks_so_far()
    action()
    return blocks_so_far() - second - (second - first)


def blocks_so_far() -> int:
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def instructions(action: Callable[[], Any]) -> float:
    from django.db import connection  # noqa: PLC0415

    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.connection.set_progress_handler(count, STEP)
    action()
    connection.connection.set_progress_handler(None, 0)
    return steps * STEP


if __name__ == "__main__":
    main()
