"""500 clients at the event streams of the running product while ten downloads change once a second.

    python -m bench.streams [--clients 500] [--downloads 10] [--seconds 20]

Prints the web process's share of a core, its memory, and the latency from the change of the job's row to the client.
`bench.sse` has the layer alone, with more changes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from datetime import datetime
from urllib.parse import urlsplit

from bench.files import cpu_seconds, peak_memory_mib
from bench.idle import kind
from bench.stand import databases, stand
from tests.origin import Origin
from tests.product import API_KEY, Product

BYTES_A_SECOND = 100_000


class Listening:
    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.is_counting = False

    async def one(self, port: int, job: str, ready: asyncio.Semaphore) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024 * 1024)
        path = f"/api/v1/download/{job}/events"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {API_KEY}\r\n\r\n".encode())
        await reader.readuntil(b"download.snapshot")
        ready.release()
        while line := await reader.readline():
            arrived = time.time()
            if line.startswith(b"data: {") and self.is_counting:
                changed = json.loads(line[6:])["data"]["updated_at"]
                self.latencies.append(arrived - datetime.fromisoformat(changed).timestamp())


async def measure(product: Product, jobs: list[str], clients: int, seconds: float) -> None:
    port = urlsplit(str(product.api.base_url)).port or 0
    (web,) = (pid for pid, command in product.pids().items() if kind(command) == "web")
    listening, ready = Listening(), asyncio.Semaphore(0)
    tasks = [asyncio.create_task(listening.one(port, jobs[n % len(jobs)], ready)) for n in range(clients)]
    for _ in tasks:
        await ready.acquire()
    await asyncio.sleep(2)
    listening.is_counting = True
    before, begin = cpu_seconds(web), time.monotonic()
    await asyncio.sleep(seconds)
    share = (cpu_seconds(web) - before) / (time.monotonic() - begin)
    for task in tasks:
        task.cancel()
    cuts = statistics.quantiles(listening.latencies, n=100)
    print(f"  server         {share:8.1%} of a core, {peak_memory_mib(web):.0f} MiB at most")
    print(f"  latency        p50 {cuts[49]:.3f}  p95 {cuts[94]:.3f}  p99 {cuts[98]:.3f} s")
    print(f"  arrived        {len(listening.latencies)} in {seconds:g} s")


def started(product: Product, origin: Origin, count: int) -> list[str]:
    """Downloads that go on for longer than the bench."""
    pages = (origin.url(f"/slow/{BYTES_A_SECOND}/big/{200_000_000 + number}.mp4") for number in range(count))
    jobs = [product.submit(page)["request_id"] for page in pages]
    for job in jobs:
        product.wait_for(job, "running")
    return jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--downloads", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    for database in databases():
        capacity = {"WORKERS": str(options.downloads), "MAX_STREAMS_PER_OWNER": str(options.clients + 10)}
        with stand(database, **capacity, WEB_WORKERS="1") as (product, origin):
            product.wait_for_engine()
            jobs = started(product, origin, options.downloads)
            print(f"{database}: {options.clients} clients, {options.downloads} downloads")
            asyncio.run(measure(product, jobs, options.clients, options.seconds))


if __name__ == "__main__":
    main()
