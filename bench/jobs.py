"""One clip from submit to completed, a hundred of them, a burst of submissions; beside yt-dlp in this process."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yt_dlp

from bench.stand import databases, line, stand, timed
from tests.origin import Origin
from tests.product import API_KEY, Product, httpx

CLIPS = 30
POLL_SECONDS = 0.005


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
    url = f"{product.api.base_url}download"
    body = {"url": origin.url("/clip.mp4")}

    def submit(_: int) -> tuple[float, int]:
        with httpx.Client(headers={"X-API-Key": API_KEY}, trust_env=False, timeout=30) as client:
            began = time.perf_counter()
            status = client.post(url, json=body).status_code
            return time.perf_counter() - began, status

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(submit, range(40)))
    refused = sum(status != 201 for _, status in answers)
    print(line(f"{database}: submit, 40 at once ({refused} refused)", [seconds for seconds, _ in answers]))


if __name__ == "__main__":
    main()
