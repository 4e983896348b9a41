"""One clip from submit to completed, a hundred of them, a burst of submissions; beside yt-dlp in this process."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import yt_dlp

from bench.stand import databases, line, stand, timed
from tests.origin import Origin
from tests.product import API_KEY, Product

CLIPS = 30
BURST = 40
POLL_SECONDS = 0.02
HEADERS = {"X-API-Key": API_KEY, "Content-Type": "application/json"}


def main() -> None:
    for database in databases():
        with stand(database) as (product, origin):
            warm_up(product, origin)
            one_by_one(product, origin, database)
            hundred(product, origin, database)
            burst(product, origin, database)


def warm_up(product: Product, origin: Origin) -> None:
    for _ in range(3):
        product.wait_for(product.submit(origin.url("/clip.mp4"))["request_id"])


def one_by_one(product: Product, origin: Origin, database: str) -> None:
    ours, plain = [], []
    for _ in range(CLIPS):
        ours.append(timed(lambda: complete(product, origin.url("/clip.mp4"))))
        plain.append(timed(lambda: in_process(origin.url("/clip.mp4"))))
    print(line(f"{database}: submit → completed, 158 kB", ours))
    print(line("   yt-dlp in this process, no queue", plain))


def complete(product: Product, url: str) -> None:
    job_id = product.submit(url)["request_id"]
    while product.job(job_id)["status"] not in {"completed", "failed"}:
        time.sleep(POLL_SECONDS)


def in_process(url: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        options: dict[str, Any] = {"quiet": True, "outtmpl": f"{directory}/x.%(ext)s", "noprogress": True, "proxy": ""}
        with yt_dlp.YoutubeDL(options) as downloader:
            downloader.download([url])


def hundred(product: Product, origin: Origin, database: str) -> None:
    began = time.perf_counter()
    ids = {product.submit(origin.url(f"/item/{number}.mp4"))["request_id"] for number in range(100)}
    submitted = time.perf_counter() - began
    while product.api.get("/stats").json()["jobs_by_status"]["completed"] < 100 + CLIPS + 3:
        time.sleep(0.05)
        if time.perf_counter() - began > 120:
            break
    took = time.perf_counter() - began
    statuses = [product.job(job_id)["status"] for job_id in ids]
    done = statuses.count("completed")
    print(f"{database}: 100 jobs, 4 slots: {took:.2f} s ({done} completed; submitting took {submitted:.2f} s)")


def burst(product: Product, origin: Origin, database: str) -> None:
    """Forty connections are open already, so that the time is the server's and not ours for opening them."""
    body = json.dumps({"url": origin.url("/clip.mp4")})
    connections = [HTTPConnection("127.0.0.1", product.port, timeout=30) for _ in range(BURST)]
    for connection in connections:
        connection.connect()
    barrier = threading.Barrier(BURST)

    def submit(connection: HTTPConnection) -> tuple[float, int]:
        barrier.wait()
        began = time.perf_counter()
        connection.request("POST", "/api/v1/download", body, HEADERS)
        answer = connection.getresponse()
        answer.read()
        return time.perf_counter() - began, answer.status

    with ThreadPoolExecutor(BURST) as pool:
        answers = list(pool.map(submit, connections))
    refused = sum(status != 201 for _, status in answers)
    print(line(f"{database}: submit, {BURST} at once ({refused} refused)", [seconds for seconds, _ in answers]))


if __name__ == "__main__":
    main()
