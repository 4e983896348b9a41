"""What the API's hot answers cost: CPU of this process a request, without a server, on SQLite."""

# ruff: noqa: PLC0415 - Django is told where its data are before it is loaded
from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REQUESTS = 300
LISTED = 50
ROWS = 2_000


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mediadl-bench-") as directory:
        os.environ |= {"DATA_DIR": directory, "DJANGO_SETTINGS_MODULE": "mediadl.settings", "LOG_LEVEL": "ERROR"}
        os.environ |= {"RATE_LIMIT_PER_MINUTE": "10000000", "RATE_LIMIT_PER_HOUR": "10000000", "MEDIADL_TESTING": "1"}
        os.environ.pop("DATABASE_URL", None)
        measure(Path(directory))


def measure(directory: Path) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from django.test.utils import setup_test_environment

    from accounts.models import ApiKey, Scope
    from downloads.models import Job
    from tests.factories import JobFactory, MediaFileFactory, UserFactory

    call_command("migrate", verbosity=0)
    setup_test_environment()
    user = UserFactory()
    _, key = ApiKey.objects.issue(user, "bench", [Scope.READ, Scope.WRITE])
    client = Client(headers={"X-API-Key": key})
    Job.objects.bulk_create(JobFactory.build_batch(ROWS, owner=user, finished=True))
    for job in Job.objects.all()[:LISTED]:
        MediaFileFactory(job=job)
    job = Job.objects.first()
    one = f"/api/v1/download/{job.pk}"
    etag = client.get(one)["ETag"]
    body = {"url": "https://videos.example.com/watch/42"}
    show("GET one job", lambda: client.get(one), 200)
    show("GET one job, unchanged", lambda: client.get(one, headers={"If-None-Match": etag}), 304)
    show(f"GET a page of {LISTED}", lambda: client.get("/api/v1/download", {"limit": LISTED}), 200)
    show("POST a job", lambda: client.post("/api/v1/download", body, content_type="application/json"), 201)
    show("GET health/live", lambda: client.get("/api/v1/health/live"), 200)
    print(f"database of {directory}: {ROWS} jobs")


def show(name: str, ask: Callable[[], Any], status: int) -> None:
    answers = [ask() for _ in range(10)]
    if answers[-1].status_code != status:
        raise RuntimeError(f"{name}: {answers[-1].status_code}")
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(REQUESTS):
        ask()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:<28} {cpu / REQUESTS * 1e6:7.0f} us CPU   {wall / REQUESTS * 1e6:7.0f} us")


if __name__ == "__main__":
    main()
