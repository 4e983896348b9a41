"""What holding event streams costs: 500 clients over 20 jobs that change twice a second, by default.

    python -m bench.sse [--clients 500] [--jobs 20] [--rate 2] [--seconds 20]

Messages are rows of an SQLite table, written by this process and polled by the server. Prints the server's share of a
core, its memory, and the latency from the commit of a row to its arrival at the clients.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.files import cpu_seconds, peak_memory_mib, running
from mediadl.asgi.bridge import Bridge
from mediadl.asgi.edge import Edge
from mediadl.asgi.events import Events
from mediadl.asgi.hub import Hub
from mediadl.asgi.threads import Threads

SCHEMA = "create table event (id integer primary key, channel text, data text)"
PADDING = "x" * 300  # a rendered row of the queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    channel: str
    id: int
    event: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    messages: Sequence[Message]
    cursor: int


class Source:
    def __init__(self) -> None:
        self._database = sqlite3.connect(os.environ["BENCH_DATABASE"], check_same_thread=False, isolation_level=None)

    def snapshot(self, channel: str, after: str | None) -> Batch:  # noqa: ARG002
        (last,) = self._database.execute("select coalesce(max(id), 0) from event").fetchone()
        return Batch(messages=[Message(channel=channel, id=last, event="snapshot", data="")], cursor=last)

    def poll(self, cursor: int, channels: frozenset[str]) -> Batch:
        rows = self._database.execute("select id, channel, data from event where id > ? order by id", (cursor,))
        messages = [Message(channel=channel, id=number, event="", data=data) for number, channel, data in rows]
        wanted = [message for message in messages if message.channel in channels]
        return Batch(messages=wanted, cursor=messages[-1].id if messages else cursor)


def application() -> Edge:
    def grant(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("X-Accel-Events", environ["PATH_INFO"].strip("/"))])
        return []

    hub = Hub(Source(), Threads(1, name="events").run)
    bridge = Bridge(grant, threads=Threads(8, name="request"))
    return Edge(Events(bridge, hub=hub, max_streams_per_owner=1000), on_stop=hub.close, on_end=lambda: None)


class Listening:
    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.is_counting = False

    async def one(self, port: int, channel: str, ready: asyncio.Semaphore) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /{channel} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        await reader.readuntil(b"event: snapshot")
        ready.release()
        while line := await reader.readline():
            if line.startswith(b"data: ") and self.is_counting and len(line) > len(PADDING):
                self.latencies.append(time.time() - float(line.split()[1]))


async def write_rows(database: sqlite3.Connection, jobs: int, rate: float, seconds: float) -> None:
    """Each job's changes evenly spread, each a commit of its own."""
    begin, count = time.monotonic(), 0
    while (elapsed := time.monotonic() - begin) < seconds:
        while count < elapsed * jobs * rate:
            data = f"{time.time()} {PADDING}"
            database.execute("insert into event (channel, data) values (?, ?)", (f"job-{count % jobs}", data))
            count += 1
        await asyncio.sleep(0.005)


async def measure(options: argparse.Namespace, database: sqlite3.Connection, pid: int, port: int) -> None:
    listening, ready = Listening(), asyncio.Semaphore(0)
    tasks = [asyncio.create_task(listening.one(port, f"job-{n % options.jobs}", ready)) for n in range(options.clients)]
    for _ in tasks:
        await ready.acquire()
    await write_rows(database, options.jobs, options.rate, 2)
    listening.is_counting = True
    before, begin = cpu_seconds(pid), time.monotonic()
    await write_rows(database, options.jobs, options.rate, options.seconds)
    share = (cpu_seconds(pid) - before) / (time.monotonic() - begin)
    await asyncio.sleep(1)
    for task in tasks:
        task.cancel()
    cuts = statistics.quantiles(listening.latencies, n=100)
    expected = options.clients * options.rate * options.seconds
    print(f"{options.clients} clients, {options.jobs} jobs x {options.rate}/s, {options.seconds} s")
    print(f"  server         {share:8.1%} of a core, {peak_memory_mib(pid):.0f} MiB at most")
    print(f"  latency        p50 {cuts[49]:.3f}  p95 {cuts[94]:.3f}  p99 {cuts[98]:.3f} s")
    print(f"  arrived        {len(listening.latencies)} of about {expected:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=2.0, help="changes a second of each job")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "events.sqlite3")
        database = sqlite3.connect(path, isolation_level=None)
        for statement in ("pragma journal_mode=wal", "pragma synchronous=normal", SCHEMA):
            database.execute(statement)
        command = [sys.executable, "-m", "uvicorn", "--factory", "bench.sse:application", "--port", "0"]
        with running([*command, "--no-access-log"], BENCH_DATABASE=path) as (pid, port):
            asyncio.run(measure(options, database, pid, port))


if __name__ == "__main__":
    main()
