"""What it costs to claim the next job while none, few, 10,000 and 100,000 others wait.

In time, and in what the database does for it, which no other load disturbs: PostgreSQL's blocks that were looked at,
SQLite's instructions. Three queues: twenty owners by turns, one owner alone, and, worst, twenty one after the other who
all have something running, so that the first job of each is looked for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from bench.stand import databases, line, timed
from tests.postgres import throwaway_postgres

OWNERS = 20
FEW = 100
WAITING = (0, FEW, 10_000, 100_000)
CLAIMS = 100
COUNTED = 21
STEP = 10
BOUND = 1.5
WORKER = "bench/1/1"


def main() -> None:
    if "--here" in sys.argv:
        measure()
        return
    for database in databases():
        with tempfile.TemporaryDirectory(prefix="mediadl-bench-") as directory:
            environment = {**os.environ, "DATA_DIR": directory, "DJANGO_SETTINGS_MODULE": "mediadl.settings"}
            command = [sys.executable, "-m", "bench.claims", "--here"]
            if database == "sqlite":
                subprocess.run(command, env=environment, check=True)
                continue
            with throwaway_postgres() as url:
                subprocess.run(command, env=environment | {"DATABASE_URL": url}, check=True)


def measure() -> None:
    """In a process whose environment names the database."""
    import django  # noqa: PLC0415 - settings are read from the environment

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    owners = [User.objects.create(username=f"owner-{number}", password="!") for number in range(OWNERS)]
    compare("20 owners by turns", owners, owners_of=lambda waiting: owners * (waiting // OWNERS))
    compare("1 owner", owners[:1], owners_of=lambda waiting: owners[:1] * waiting)
    compare(
        "20 busy owners, one after the other",
        owners,
        owners_of=lambda waiting: [owner for owner in owners for _ in range(waiting // OWNERS)],
        running=owners,
    )


def compare(
    name: str, owners: list[Any], *, owners_of: Callable[[int], list[Any]], running: Sequence[Any] = ()
) -> None:
    """`owners_of` says whose jobs wait, in this order; those of `running` have one that runs."""
    from django.db import connection  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from downloads.models import Job, Status  # noqa: PLC0415

    unit = "blocks" if connection.vendor == "postgresql" else "instructions"
    bases: dict[int, float] = {}
    for waiting in WAITING:
        Job.objects.all().delete()
        fill(owners_of(waiting))
        for owner in running:
            lease = {"lease": uuid.uuid4(), "lease_expires_at": timezone.now() + timedelta(hours=1)}
            job_of(
                owner, 0, status=Status.RUNNING, attempt=1, worker="bench/2/1", started_at=timezone.now(), **lease
            ).save()
        print(line(f"{connection.vendor}: claim, {name}, {waiting:,} others queued", claims(owners)))
        work = sorted(efforts(owners))[COUNTED // 2]
        bases[waiting] = work
        ratios = [f"{work / base:.2f} of {fewer:,}" for fewer, base in bases.items() if fewer <= FEW]
        print(f"   {work:,.0f} {unit}: {', '.join(ratios)} (bound {BOUND})", flush=True)


def fill(owners: list[Any]) -> None:
    """A queued job of each, and the statistics that a server keeps by itself."""
    from django.db import connection  # noqa: PLC0415

    from downloads.models import Job  # noqa: PLC0415

    Job.objects.bulk_create((job_of(owner, number) for number, owner in enumerate(owners)), batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def job_of(owner: Any, number: int, **fields: Any) -> Any:
    from downloads.models import Job  # noqa: PLC0415

    return Job(owner=owner, url=f"https://media.example.org/{number}", host="media.example.org", **fields)


def claims(owners: list[Any]) -> list[float]:
    return [timed(claim) for claim in to_claim(owners, CLAIMS)]


def efforts(owners: list[Any]) -> list[float]:
    from django.db import connection  # noqa: PLC0415

    counted = blocks if connection.vendor == "postgresql" else instructions
    return [counted(claim) for claim in to_claim(owners, COUNTED)]


def to_claim(owners: list[Any], count: int) -> Iterator[Callable[[], Any]]:
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
