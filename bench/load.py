"""A hundred users at once while downloads run: what they wait, and whether the product grows meanwhile.

    python -m bench.load [--users 100] [--seconds 60] [--downloads 10] [--database postgres] [--webs 2]
    python -m bench.load --seconds 1800        the soak

Users submit, poll, list, look at the health, read ranges of files and follow events, with pauses as people have.
Memory (PSS), descriptors and processes are counted every ten seconds. Ends with 1 when something failed or grew.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.idle import pss
from bench.stand import line, stand
from tests.origin import Origin
from tests.product import API_KEY, Product

READ_BOUND, SUBMIT_BOUND = 0.2, 0.5
# A download of 158 kB takes eight seconds of these.
PACE = 20_000
SAMPLE_SECONDS = 10
# What is loaded at first use is loaded by then.
WARM_SHARE = 0.2
GROWTH = 1.1
STREAM_SECONDS = 20
RANGE_BYTES = 65_536
PAUSE = (0.5, 2.0)
ENVIRONMENT = {
    # So that files are deleted meanwhile, too.
    "FILE_RETENTION_HOURS": "0.1",
    "MAX_STREAMS_PER_OWNER": "1000",
    "WORKERS": "12",
}


@dataclass(slots=True)
class Seen:
    """What the users have been told of, and how long they waited for it."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)
    jobs: deque[str] = field(default_factory=lambda: deque(maxlen=200))
    # The latest only: older ones are about to expire.
    files: deque[tuple[str, int]] = field(default_factory=lambda: deque(maxlen=20))
    events: int = 0


class User:
    def __init__(self, client: httpx.AsyncClient, origin: Origin, seen: Seen, seed: int) -> None:
        self.client = client
        self.origin = origin
        self.seen = seen
        self.random = random.Random(seed)
        self.actions: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self.poll, 40),
            (self.list, 25),
            (self.read, 20),
            (self.health, 8),
            (self.follow, 5),
            (self.submit, 2),
        ]

    async def live(self, until: float) -> None:
        acts, weights = zip(*self.actions, strict=True)
        while time.monotonic() < until:
            (act,) = self.random.choices(acts, weights)
            try:
                await act()
            except httpx.HTTPError as failure:
                self.seen.failures[f"{act.__name__}: {type(failure).__name__}"] += 1
            await asyncio.sleep(self.random.uniform(*PAUSE))

    async def ask(self, kind: str, method: str, path: str, *expected: int, **how: Any) -> httpx.Response:
        began = time.perf_counter()
        answer = await self.client.request(method, path, **how)
        self.seen.seconds[kind].append(time.perf_counter() - began)
        if answer.status_code not in expected:
            self.seen.failures[f"{kind}: {answer.status_code}"] += 1
        return answer

    async def submit(self) -> None:
        url = self.origin.url(f"/item/{self.random.randrange(10_000)}.mp4")
        answer = await self.ask("submit", "POST", "/download", 201, json={"url": url})
        if answer.status_code == httpx.codes.CREATED:
            self.seen.jobs.append(answer.json()["request_id"])

    async def poll(self) -> None:
        if not self.seen.jobs:
            return
        answer = await self.ask("poll", "GET", f"/download/{self.random.choice(self.seen.jobs)}", 200)
        job = answer.json()
        if job.get("file_url") and (job["file_url"], job["file_size"]) not in self.seen.files:
            self.seen.files.append((job["file_url"], job["file_size"]))

    async def list(self) -> None:
        await self.ask("list", "GET", "/download", 200, params={"limit": 20})

    async def health(self) -> None:
        await self.ask("health", "GET", "/health", 200)

    async def read(self) -> None:
        """A part of a file, as a player does; one that has expired meanwhile is told to be gone."""
        if not self.seen.files:
            return
        address, size = self.random.choice(self.seen.files)
        begin = self.random.randrange(max(1, size - RANGE_BYTES))
        headers = {"Range": f"bytes={begin}-{begin + RANGE_BYTES - 1}"}
        await self.ask("file range", "GET", address, 206, 410, headers=headers)

    async def follow(self) -> None:
        began, until = time.perf_counter(), time.monotonic() + STREAM_SECONDS
        async with self.client.stream("GET", "/events") as answer:
            if answer.status_code != httpx.codes.OK:
                self.seen.failures[f"events: {answer.status_code}"] += 1
                return
            is_first = True
            async for text in answer.aiter_lines():
                if is_first:
                    self.seen.seconds["events, first line"].append(time.perf_counter() - began)
                    is_first = False
                self.seen.events += text.startswith("data: ")
                if time.monotonic() > until:
                    return


async def keep_downloading(client: httpx.AsyncClient, origin: Origin, count: int, until: float) -> None:
    """So many downloads at once that take their time."""

    async def one(number: int) -> None:
        while time.monotonic() < until:
            body = {"url": origin.url(f"/slow/{PACE}/item/{number}.mp4")}
            job = (await client.post("/download", json=body)).json()["request_id"]
            while time.monotonic() < until:
                told = (await client.get(f"/download/{job}", params={"wait": 20})).json()
                if told["status"] in {"completed", "failed", "cancelled"}:
                    break

    await asyncio.gather(*(one(20_000 + number) for number in range(count)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    memory: float
    descriptors: int
    processes: int


def sample(product: Product) -> Sample:
    """Of what stays: processes of single downloads, in directories of their own, come and go."""
    pids = [pid for pid in product.pids() if not is_of_a_download(product, pid)]
    return Sample(memory=sum(map(pss, pids)), descriptors=sum(map(descriptors, pids)), processes=len(pids))


def is_of_a_download(product: Product, pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(product.data_dir / "work")
    except OSError:
        return True


def descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


async def watch(product: Product, until: float) -> list[Sample]:
    samples = []
    while time.monotonic() < until:
        samples.append(await asyncio.to_thread(sample, product))
        await asyncio.sleep(SAMPLE_SECONDS)
    return samples


async def run(product: Product, origin: Origin, options: argparse.Namespace) -> tuple[Seen, list[Sample]]:
    seen = Seen()
    until = time.monotonic() + options.seconds
    base, headers = product.api.base_url, {"X-API-Key": API_KEY}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with (
        httpx.AsyncClient(base_url=base, headers=headers, timeout=60, limits=limits, trust_env=False) as client,
        asyncio.TaskGroup() as tasks,
    ):
        watching = tasks.create_task(watch(product, until))
        tasks.create_task(keep_downloading(client, origin, options.downloads, until))
        for number in range(options.users):
            tasks.create_task(User(client, origin, seen, number).live(until))
    return seen, watching.result()


def told(seen: Seen, options: argparse.Namespace) -> bool:
    count = sum(map(len, seen.seconds.values()))
    rate = count / options.seconds
    print(f"{options.users} users, {options.downloads} downloads at once, {options.seconds} s, {options.database}:")
    print(f"{count} requests, {rate:.0f} a second, {seen.events} events; failures: {dict(seen.failures) or 'none'}")
    is_good = not seen.failures
    for kind, seconds in sorted(seen.seconds.items()):
        bound = SUBMIT_BOUND if kind == "submit" else READ_BOUND
        p95 = sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.95))]
        is_met = p95 <= bound
        is_good &= is_met
        print(f"{line(kind, seconds)}   bound p95 {bound * 1000:.0f} ms{'' if is_met else ', not met'}")
    return is_good


def grown(samples: list[Sample]) -> bool:
    """Compares the first third after the warm-up with the last."""
    warm = samples[int(len(samples) * WARM_SHARE) :]
    third = max(1, len(warm) // 3)
    is_grown = False
    for name in ("memory", "descriptors", "processes"):
        values = [getattr(one, name) for one in warm]
        first, last = statistics.median(values[:third]), statistics.median(values[-third:])
        is_grown |= last > first * GROWTH
        unit = " MB PSS" if name == "memory" else ""
        print(f"{name:<14} first third {first:8.0f}, last third {last:8.0f}, most {max(values):8.0f}{unit}")
    return is_grown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--downloads", type=int, default=10)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument("--webs", type=int, default=2, help="processes of the web server on PostgreSQL")
    options = parser.parse_args()
    webs = {} if options.database == "sqlite" else {"WEB_WORKERS": str(options.webs)}
    with stand(options.database, **ENVIRONMENT, **webs) as (product, origin):
        product.wait_for_engine()
        seen, samples = asyncio.run(run(product, origin, options))
        deaths = product.deaths
    is_good = told(seen, options)
    is_good &= not grown(samples)
    print(f"services that had to be started again: {deaths}")
    return int(not is_good or deaths > 0)


if __name__ == "__main__":
    sys.exit(main())
