"""What people do with a server, for locust; `bench.load` runs it beside a server of its own, and you beside yours:

    make .venv/.bench
    API_KEY=… MEDIA_URL='https://site.example/{}.mp4' .venv/bin/locust -f bench/locustfile.py --host https://yours.example

A `{}` in MEDIA_URL becomes a number, so that not all ask for the same. SLOW_MEDIA_URL, by default the same address, is
what DOWNLOADS (10) of the users keep downloading; the others submit, poll, list, look at the health, read ranges of
files and follow events, with pauses as people have.
"""

from __future__ import annotations

import os
import random
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from locust import FastHttpUser, between, task

MEDIA_URL = os.environ["MEDIA_URL"]
SLOW_MEDIA_URL = os.environ.get("SLOW_MEDIA_URL", MEDIA_URL)
DOWNLOADS = int(os.environ.get("DOWNLOADS", "10"))
HEADERS = {"X-API-Key": os.environ["API_KEY"]}
API = "/api/v1"
RANGE_BYTES = 65_536
STREAM_SECONDS = 20
ENDED = {"completed", "failed", "cancelled", None}

# What the users have been told of. The latest files only: older ones are about to expire.
jobs: deque[str] = deque(maxlen=200)
files: deque[tuple[str, int]] = deque(maxlen=20)


class Somebody(FastHttpUser):
    abstract = True

    def submit(self, url: str) -> str | None:
        """The download's id, None where the server refused."""
        body = {"url": url.replace("{}", str(random.randrange(1_000_000)))}
        with self.ask("POST", "/download", "submit", 201, json=body) as answer:
            return answer.json()["request_id"] if answer.ok else None

    def look(self, job: str, name: str, query: str = "") -> dict[str, Any]:
        with self.ask("GET", f"/download/{job}{query}", name, 200) as answer:
            return answer.json() if answer.ok else {}

    @contextmanager
    def ask(self, method: str, path: str, name: str, *expected: int, **how: Any) -> Iterator[Any]:
        headers = HEADERS | how.pop("headers", {})
        with self.client.request(method, API + path, name, headers=headers, catch_response=True, **how) as answer:
            if answer.status_code in expected:
                answer.success()
            else:
                answer.failure(f"{answer.status_code} {answer.error or ''}")
            yield answer


class Person(Somebody):
    wait_time = between(0.5, 2)

    @task(40)
    def poll(self) -> None:
        if not jobs:
            return
        job = self.look(random.choice(jobs), "poll")
        if job.get("file_url") and (job["file_url"], job["file_size"]) not in files:
            files.append((job["file_url"], job["file_size"]))

    @task(25)
    def list(self) -> None:
        with self.ask("GET", "/download?limit=20", "list", 200):
            pass

    @task(20)
    def read(self) -> None:
        """A part of a file, as a player does; one that has expired meanwhile is told to be gone."""
        if not files:
            return
        address, size = random.choice(files)
        begin = random.randrange(max(1, size - RANGE_BYTES))
        headers = {"Range": f"bytes={begin}-{begin + RANGE_BYTES - 1}"}
        with self.ask("GET", address.partition(API)[2], "file range", 206, 410, headers=headers):
            pass

    @task(8)
    def health(self) -> None:
        with self.ask("GET", "/health", "health", 200):
            pass

    @task(5)
    def follow(self) -> None:
        began = time.perf_counter()
        with self.ask("GET", "/events", "events, first line", 200, stream=True) as answer:
            if not answer.ok:
                return
            answer.stream.readline(b"\n")
            answer.request_meta["response_time"] = (time.perf_counter() - began) * 1000
            while time.perf_counter() - began < STREAM_SECONDS and answer.stream.readline(b"\n"):
                pass

    @task(2)
    def add(self) -> None:
        if job := self.submit(MEDIA_URL):
            jobs.append(job)


class Downloader(Somebody):
    """Waits for one download after the other."""

    fixed_count = DOWNLOADS

    @task
    def download(self) -> None:
        job = self.submit(SLOW_MEDIA_URL)
        while job and self.look(job, "wait", "?wait=20").get("status") not in ENDED:
            pass
