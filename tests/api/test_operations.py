"""Health, statistics, metrics, and what is answered while the database is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from downloads import health
from downloads.models import Counter, Job, MediaFile, Node
from tests.api.conftest import Api, code_of
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

FINE = {name: {"status": "ok", "message": "/usr/bin/x 1.0"} for name in ("ffmpeg", "javascript", "guard", "sandbox")}


@pytest.fixture
def node(db: None) -> Node:
    Node.objects.pulse("node", slots=4, ytdlp_version="2026.10.26", sandbox="full", components=FINE)
    return Node.objects.get()


@contextmanager
def without_database() -> Iterator[None]:
    def refuse(*_: Any) -> None:
        raise OperationalError("connection to server at 10.1.2.3 failed: password authentication failed")

    with connection.execute_wrapper(refuse):
        yield


def checks_of(answer: Any) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in answer.json()["checks"]}


# --- Health -------------------------------------------------------------------------------------------------------


def test_is_healthy_when_all_is_well(anybody: Api, node: Node) -> None:
    answer = anybody.get("/health")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "healthy"), body
    assert set(body) == {"status", "timestamp", "version", "uptime_seconds", "checks"}
    assert all(set(check) == {"name", "status", "message", "latency_ms"} for check in body["checks"])
    assert body["uptime_seconds"] > 0
    names = ["database", "storage", "access", "workers", "queue", "yt_dlp", "ffmpeg", "javascript", "guard", "sandbox"]
    assert [check["name"] for check in body["checks"]] == names
    assert checks_of(answer)["database"]["latency_ms"] >= 0


def test_tells_nobody_where_and_what_its_parts_are(anybody: Api, node: Node, data_dir: Path) -> None:
    text = anybody.get("/health").content.decode()
    for secret in (str(data_dir), "/usr/bin", "2026.10.26", "node"):
        assert secret not in text
    with without_database():
        text = anybody.get("/health").content.decode()
    assert "10.1.2.3" not in text
    assert "password" not in text


def test_is_degraded_without_workers_and_unhealthy_when_jobs_wait_for_them(anybody: Api, user: User) -> None:
    assert anybody.get("/health").json()["status"] == "degraded"
    JobFactory(owner=user, eligible_at=timezone.now() - timedelta(minutes=2))
    answer = anybody.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert checks_of(answer)["workers"]["status"] == "error"


def test_a_silent_node_is_no_worker(anybody: Api, node: Node) -> None:
    Node.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    assert checks_of(anybody.get("/health"))["workers"]["message"] == "No worker has been heard of."


def test_a_node_of_pages_alone_is_no_worker(anybody: Api, node: Node) -> None:
    Node.objects.update(slots=0)
    assert checks_of(anybody.get("/health"))["workers"]["message"] == "No worker has been heard of."


@pytest.mark.parametrize("status", ["warning", "error"])
def test_says_which_component_of_a_node_is_missing(anybody: Api, node: Node, status: str) -> None:
    Node.objects.pulse("other", components=FINE | {"ffmpeg": {"status": status, "message": "not found"}})
    answer = anybody.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert checks_of(answer)["ffmpeg"]["status"] == status
    assert "doctor" in checks_of(answer)["ffmpeg"]["message"]


def test_warns_that_the_api_is_open(anybody: Api, node: Node, settings: Settings) -> None:
    settings.REQUIRE_API_KEY = False
    answer = anybody.get("/health")
    assert checks_of(answer)["access"]["status"] == "warning"
    assert answer.json()["status"] == "degraded"


def test_says_that_the_disk_is_full(anybody: Api, node: Node, settings: Settings) -> None:
    settings.STORAGE_RESERVE_BYTES = 2**62
    assert checks_of(anybody.get("/health"))["storage"]["status"] == "warning"


def test_is_unhealthy_when_files_cannot_be_written(
    anybody: Api, node: Node, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings.WORK_ROOT = tmp_path / "file"
    answer = anybody.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert checks_of(answer)["storage"]["status"] == "error"


def test_is_unhealthy_without_its_database(anybody: Api, node: Node) -> None:
    with without_database():
        answer = anybody.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert checks_of(answer)["database"]["status"] == "error"


def test_a_long_queue_is_worth_a_warning(anybody: Api, node: Node, user: User) -> None:
    Job.objects.bulk_create(JobFactory.build_batch(101, owner=user))
    assert checks_of(anybody.get("/health"))["queue"]["status"] == "warning"


def test_who_asks_often_gets_the_same_report(
    anybody: Api, node: Node, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 60)
    monkeypatch.setattr(health.HEALTH, "_report", None)
    anybody.get("/health")
    with django_assert_num_queries(0):
        assert anybody.get("/health").status_code == 200


def test_the_process_lives_without_a_database(anybody: Api, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        answer = anybody.get("/health/live")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_is_ready_when_the_database_is_there_and_up_to_date(anybody: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.READINESS, "_is_migrated", False)
    assert anybody.get("/health/ready").json()["status"] == "ok"
    with without_database():
        answer = anybody.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "error")
    assert "Retry-After" in answer


def test_is_not_ready_while_migrations_are_to_come(anybody: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.READINESS, "_is_migrated", False)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'downloads'")
    assert anybody.get("/health/ready").status_code == 503


def test_a_bad_key_does_not_make_the_service_ill(node: Node) -> None:
    assert Api("mdl_nonsense").get("/health").status_code == 200


def test_the_database_away_is_a_problem_that_says_when_to_come_back(api: Api, job: Job) -> None:
    with without_database():
        answers = [api.get(f"/download/{job.pk}"), api.post("/download", {"url": job.url}), api.get("/stats")]
    for answer in answers:
        assert code_of(answer) == (503, "database_unavailable")
        assert int(answer["Retry-After"]) > 0
        assert "10.1.2.3" not in answer.content.decode()


def test_an_unforeseen_error_tells_nothing(api: Api, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("downloads.api.jobs.represent", fail)
    answer = api.get(f"/download/{job.pk}")
    assert code_of(answer) == (500, "internal_error")
    assert "secret" not in answer.content.decode()


# --- Statistics ---------------------------------------------------------------------------------------------------


def test_sums_up_your_own(api: Api, user: User, stored: Callable[..., MediaFile]) -> None:
    since = timezone.now()
    stored(JobFactory(owner=user, finished=True, started_at=since, finished_at=since + timedelta(seconds=3)))
    JobFactory(owner=user, broken=True)
    JobFactory(owner=user)
    JobFactory(owner=user, running=True)
    JobFactory()
    body = api.get("/stats").json()
    fixed = {name: body[name] for name in body if not name.endswith(("_available_bytes", "uptime_seconds", "_at"))}
    assert fixed == {
        "total_jobs": 4,
        "jobs_by_status": {"queued": 1, "running": 1, "paused": 0, "completed": 1, "failed": 1, "cancelled": 0},
        "average_download_time": 3.0,
        "success_rate": 0.5,
        "storage_used_bytes": 5,
        "active_files": 1,
        "queue_size": 1,
        "active_downloads": 1,
    }
    assert body["storage_available_bytes"] > 0
    assert body["uptime_seconds"] > 0
    assert body["started_at"].endswith("Z")


def test_sums_up_nothing(api: Api) -> None:
    body = api.get("/stats").json()
    assert (body["total_jobs"], body["success_rate"], body["average_download_time"]) == (0, None, None)


def test_sums_up_the_whole_service_for_its_operator(operator: Api, user: User) -> None:
    JobFactory(owner=user)
    JobFactory()
    assert operator.get("/stats").json()["total_jobs"] == 2


def test_statistics_need_a_key(anybody: Api) -> None:
    assert code_of(anybody.get("/stats")) == (401, "not_authenticated")


# --- Metrics ------------------------------------------------------------------------------------------------------


def samples(answer: Any) -> dict[str, float]:
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_counts_jobs_queue_storage_and_workers(
    operator: Api, user: User, node: Node, stored: Callable[..., MediaFile]
) -> None:
    stored()
    JobFactory(owner=user, running=True)
    JobFactory(owner=user, eligible_at=timezone.now() - timedelta(seconds=30))
    JobFactory(owner=user, eligible_at=timezone.now() + timedelta(hours=1))
    found = samples(operator.get("/metrics"))
    assert found["jobs_in_flight"] == 1
    assert found["jobs_stored{status=queued}"] == 2
    assert found["queue_depth{lane=download}"] == 1
    assert 30 <= found["oldest_queued_seconds{lane=download}"] < 60
    assert (found["storage_bytes_used"], found["files_stored"]) == (5, 1)
    assert found["storage_bytes_total"] >= found["storage_bytes_free"] > 0
    assert 0 <= found["worker_heartbeat_age_seconds{node=node}"] < 30
    assert found["worker_slots{node=node}"] == 4


def test_nothing_waits_for_no_time(operator: Api) -> None:
    assert samples(operator.get("/metrics"))["oldest_queued_seconds{lane=download}"] == 0


def test_counts_how_jobs_end_and_goes_on_when_they_are_deleted(operator: Api, user: User) -> None:
    since = timezone.now()
    for seconds in (0.5, 4, 90_000):
        moments = {"started_at": since, "finished_at": since + timedelta(seconds=seconds)}
        Counter.objects.record_end(JobFactory(owner=user, finished=True, downloaded_bytes=100, **moments))
    Counter.objects.record_end(JobFactory(owner=user, broken=True))
    Job.objects.all().delete()
    found = samples(operator.get("/metrics"))
    assert found["jobs_total{status=completed}"] == 3
    assert found["jobs_total{status=failed}"] == 1
    assert found["job_errors_total{code=not_found}"] == 1
    assert found["bytes_downloaded_total"] == 300
    assert found["job_duration_seconds_bucket{le=1.0}"] == 1
    assert found["job_duration_seconds_bucket{le=7200.0}"] == 2
    assert found["job_duration_seconds_bucket{le=+Inf}"] == found["job_duration_seconds_count"] == 3
    assert found["job_duration_seconds_sum"] == 90_004.5


def test_counts_requests_by_route_and_not_by_address(operator: Api, api: Api, job: Job) -> None:
    series = "http_requests_total{method=GET,route=/api/v1/download/<uuid:request_id>,status=200}"
    before = samples(operator.get("/metrics")).get(series, 0)
    api.get(f"/download/{job.pk}")
    api.client.generic("BREW", "/api/v1/download")
    found = samples(operator.get("/metrics"))
    assert found[series] == before + 1
    assert found["http_requests_total{method=other,route=/api/v1/download,status=405}"] >= 1
    assert "http_request_duration_seconds_count{method=GET,route=/api/v1/download/<uuid:request_id>}" in found
    assert not any(str(job.pk) in name for name in found)


def test_metrics_are_for_operators(api: Api, anybody: Api) -> None:
    assert code_of(api.get("/metrics")) == (403, "insufficient_scope")
    assert code_of(anybody.get("/metrics")) == (401, "not_authenticated")


@pytest.mark.parametrize("path", ["/api/v1/metrics", "/metrics"])
def test_a_scraper_needs_only_its_token(anybody: Api, settings: Settings, path: str) -> None:
    settings.METRICS_TOKEN = "a token of its own"
    answer = anybody.client.get(path, headers={"Authorization": "Bearer a token of its own"})
    assert answer.status_code == 200
    for wrong in ("Bearer another", "Bearer ", "Basic a token of its own", "a token of its own"):
        assert anybody.client.get(path, headers={"Authorization": wrong}).status_code == 401


def test_the_scrapers_token_opens_nothing_else(anybody: Api, settings: Settings, job: Job) -> None:
    settings.METRICS_TOKEN = "a token of its own"
    assert code_of(anybody.get("/stats", Authorization="Bearer a token of its own"))[0] == 401
    assert code_of(anybody.get(f"/download/{job.pk}", Authorization="Bearer a token of its own"))[0] == 401


@pytest.mark.parametrize("path", ["/api/v1/metrics", "/metrics"])
def test_a_scraper_that_comes_by_plain_http_is_not_sent_elsewhere(settings: Settings, path: str, db: None) -> None:
    settings.SECURE_SSL_REDIRECT, settings.METRICS_TOKEN = True, "token-of-the-scraper"
    client = Client()
    assert client.get(path, headers={"Authorization": "Bearer token-of-the-scraper"}).status_code == 200
    assert client.get(path).status_code == 401
    assert client.get("/library").status_code == 301


def test_without_a_token_none_is_right(anybody: Api, settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    assert code_of(anybody.get("/metrics", Authorization="Bearer "))[0] == 401


def test_an_open_api_does_not_open_its_metrics(anybody: Api, settings: Settings) -> None:
    settings.REQUIRE_API_KEY = False
    assert anybody.get("/stats").status_code == 200
    assert code_of(anybody.get("/metrics")) == (401, "not_authenticated")


def test_counts_are_shared_by_web_processes(operator: Api, settings: Settings, tmp_path: Path) -> None:
    """What each has counted lies in files of one directory."""
    import subprocess
    import sys

    program = (
        "from prometheus_client import Counter\n"
        "Counter('http_requests', 'x', ['method', 'route', 'status']).labels('GET', '/', '200').inc(3)\n"
    )
    for _ in range(2):
        environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    settings.METRICS_DIR = str(tmp_path)
    found = samples(operator.get("/metrics"))
    assert found["http_requests_total{method=GET,route=/,status=200}"] == 6


# --- Counters -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_no_count_is_lost_under_parallel_increments(user: User) -> None:
    import threading

    job = JobFactory(owner=user, finished=True)
    barrier = threading.Barrier(8)

    def count() -> None:
        barrier.wait()
        for _ in range(5):
            Counter.objects.record_end(job)
        connection.close()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter.objects.get(name="jobs_total").value == 40
