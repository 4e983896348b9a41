"""More machines: jobs a minute with 1, 2 and 4 of them, how soon a submitted job starts by each way of waking, and what
one of them is to PostgreSQL.

    python -m bench.scale [throughput] [latency] [database]

Machines are process trees with a DATA_DIR each, on one PostgreSQL. All of them share this computer: downloads whose
origin sends slowly show what the design adds up to, and fast ones where this computer ends.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from bench.idle import pss
from bench.stand import line
from tests.machines import Machines, machines
from tests.origin import Origin
from tests.postgres import throwaway_postgres
from tests.redis import redis_server

SLOTS = 4
MACHINES = (1, 2, 4)
# 158 kB at so many bytes a second: 4 s for each download.
PACE = 40_000
ROUNDS = 4
STARTS = 40
WATCHED_SECONDS = 20
# 158 kB take longer than anybody watches.
CRAWL = 1_500
STARTED = "SELECT extract(epoch FROM started_at - created_at)::float FROM downloads_job WHERE status = 'completed'"
ENDED = (
    "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float, count(*) "
    "FROM downloads_job WHERE status = 'completed'"
)
DONE = (
    "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database "
    "WHERE datname = current_database()"
)
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def main() -> None:
    chosen = sys.argv[1:] or ["throughput", "latency", "database"]
    with Origin() as origin:
        if "throughput" in chosen:
            for name, prefix in (("slow origin", f"/slow/{PACE}"), ("fast origin", "")):
                throughput(origin, name, prefix)
        if "latency" in chosen:
            latency(origin)
        if "database" in chosen:
            for has_redis in (False, True):
                load(origin, has_redis=has_redis)


def throughput(origin: Origin, name: str, prefix: str) -> None:
    """Beside one machine of as many slots."""
    base = 0.0
    for workers, slots in [*((count, SLOTS) for count in MACHINES), (1, SLOTS * MACHINES[-1])]:
        count = workers * slots * ROUNDS
        with deployment(workers=workers, WORKERS=str(slots)) as (made, database):
            for number in range(count):
                made.webs[0].submit(origin.url(f"{prefix}/item/{number}.mp4"))
            seconds = finished(database, count)
        rate = count / seconds * 60
        base = base or rate
        said = f"{name}: {workers} machines of {slots} slots: {rate:6.0f} jobs a minute, {rate / base:.2f} of one"
        print(f"{said} ({count} jobs)", flush=True)


def finished(database: str, count: int) -> float:
    """From the first start to the last end, by the clock of the database."""
    deadline = time.monotonic() + 300
    with psycopg.connect(database, autocommit=True) as connection:
        while time.monotonic() < deadline:
            seconds, done = connection.execute(ENDED).fetchone() or (0, 0)
            if done == count:
                return float(seconds)
            time.sleep(0.2)
    raise TimeoutError(f"{count} jobs did not end")


def latency(origin: Origin) -> None:
    """From the insert of the row to the start of its attempt, one job at a time, by the clock of the database."""
    for name, webs, workers, has_redis in (
        ("PostgreSQL, one machine (knock)", 0, 0, False),
        ("PostgreSQL, web and worker apart", 1, 1, False),
        ("Redis, web and worker apart", 1, 1, True),
    ):
        with deployment(webs=webs, workers=workers, has_redis=has_redis) as (made, database):
            web = made.webs[0]
            for number in range(STARTS):
                web.wait_for(web.submit(origin.url(f"/item/{number}.mp4"))["request_id"], "completed")
            with psycopg.connect(database) as connection:
                seconds = [row[0] for row in connection.execute(STARTED).fetchall()]
        print(line(f"start after submit: {name}", seconds), flush=True)


def load(origin: Origin, *, has_redis: bool) -> None:
    """Of one worker machine with a web machine beside it, at rest and while all its slots run downloads."""
    wakes = "Redis" if has_redis else "PostgreSQL"
    with deployment(has_redis=has_redis) as (made, database):
        time.sleep(WATCHED_SECONDS)
        print(f"woken by {wakes}, web and worker at rest: {watched(database)}, {memory(made)}", flush=True)
        jobs = [made.webs[0].submit(origin.url(f"/slow/{CRAWL}/item/{number}.mp4")) for number in range(SLOTS)]
        for job in jobs:
            made.webs[0].wait_for(job["request_id"], "running")
        time.sleep(WATCHED_SECONDS / 4)
        print(f"woken by {wakes}, {SLOTS} downloads run: {watched(database)}, {memory(made)}", flush=True)
        made.webs[0].stop()
        time.sleep(WATCHED_SECONDS / 4)
        print(f"woken by {wakes}, {SLOTS} downloads run, without web: {watched(database)}", flush=True)


def memory(made: Machines) -> str:
    return f"{sum(map(pss, made.workers[0].pids())):.0f} MB PSS of the worker machine"


def watched(database: str) -> str:
    """Connections, and what was done in a second."""
    with psycopg.connect(database, autocommit=True) as connection:
        before = connection.execute(DONE).fetchone() or (0, 0)
        time.sleep(WATCHED_SECONDS)
        after = connection.execute(DONE).fetchone() or (0, 0)
        (connections,) = connection.execute(CONNECTED).fetchone() or (0,)
    transactions, rows = ((now - then) / WATCHED_SECONDS for now, then in zip(after, before, strict=True))
    return f"{connections} connections, {transactions:.1f} transactions and {rows:.1f} rows written a second"


@contextmanager
def deployment(
    *, webs: int = 1, workers: int = 1, has_redis: bool = False, **environment: str
) -> Iterator[tuple[Machines, str]]:
    """Started; with no webs and no workers, one machine that is both."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mediadl-bench-")))
        database = stack.enter_context(throwaway_postgres())
        shared = {"DATABASE_URL": database, **environment}
        if has_redis:
            shared["REDIS_URL"] = stack.enter_context(redis_server(directory))
        made = stack.enter_context(machines(directory, shared, webs=webs or 1, workers=workers))
        if webs or workers:
            made.start()
        else:
            made.webs[0].start().wait_for_engine()
        yield made, database


if __name__ == "__main__":
    main()
