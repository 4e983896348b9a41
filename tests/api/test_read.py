"""GET /download/{id} and /download/{id}/logs."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from downloads.models import Job, JobLog, Stage
from tests.api.conftest import Api, code_of, key_of
from tests.factories import JobFactory, MediaFileFactory

# What the layer above says of a request that has, or has not yet, waited.
NOT_YET: Any = {"mediadl.waited": False}
WAITED: Any = {"mediadl.waited": True}

pytestmark = pytest.mark.django_db

MOMENT = datetime(2030, 1, 31, 12, 0, 0, 5, tzinfo=UTC)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [job["request_id"] for job in answer.json()["results"]]


# --- One ----------------------------------------------------------------------------------------------------------


def test_shows_a_completed_job_whole(api: Api, user: User) -> None:
    job = JobFactory(
        owner=user,
        finished=True,
        title="A lecture",
        duration=12.5,
        format="1080p",
        metadata={"id": "42", "uploader": "The faculty", "unknown": "left out"},
        options={"path_template": "{uploader}/x/{title}.{ext}"},
        created_at=MOMENT,
        downloaded_bytes=10,
        total_bytes=10,
        tags=["a"],
        client_reference="mine",
    )
    main = MediaFileFactory(job=job, filename="A lecture.mp4", width=640, language="", vcodec="avc1")
    subtitle = MediaFileFactory(job=job, is_main=False, kind="subtitle", filename="A lecture.en.srt", language="en")
    body = api.get(f"/download/{job.pk}").json()
    url = f"https://media.example.org/api/v1/files/{main.pk}/A%20lecture.mp4"
    assert body | {"updated_at": None, "started_at": None, "completed_at": None, "deletion_time": None} == {
        "request_id": str(job.pk),
        "status": "completed",
        "stage": None,
        "created_at": "2030-01-31T12:00:00.000005Z",
        "updated_at": None,
        "started_at": None,
        "completed_at": None,
        "url": job.url,
        "file_url": url,
        "file_path": "The faculty/x/A lecture.mp4",
        "file_size": 5,
        "title": "A lecture",
        "duration": 12.5,
        "format": "1080p",
        "progress_percent": 100.0,
        "downloaded_bytes": 10,
        "total_bytes": 10,
        "speed": None,
        "eta": None,
        "deletion_time": None,
        "logs_url": f"https://media.example.org/api/v1/download/{job.pk}/logs",
        "error": None,
        "error_code": None,
        "retryable": None,
        "remedy": None,
        "attempt": 1,
        "next_attempt_at": None,
        "priority": "normal",
        "batch_id": None,
        "queue_position": None,
        "client_reference": "mine",
        "tags": ["a"],
        "options": {"path_template": "{uploader}/x/{title}.{ext}"},
        "metadata": body["metadata"],
        "files": [
            {
                "file_id": str(main.pk),
                "kind": "media",
                "filename": "A lecture.mp4",
                "file_url": url,
                "size_bytes": 5,
                "mime_type": "video/mp4",
                "sha256": "0" * 64,
                "format": None,
                "width": 640,
                "height": None,
                "duration": None,
                "vcodec": "avc1",
                "acodec": None,
                "language": None,
            },
            {**body["files"][1], "file_id": str(subtitle.pk), "language": "en", "kind": "subtitle"},
        ],
    }
    assert len(body["metadata"]) == 26
    assert (body["metadata"]["id"], body["metadata"]["title"]) == ("42", None)
    assert body["deletion_time"].endswith("Z")


def test_shows_why_a_job_failed_and_what_to_do(api: Api, user: User) -> None:
    body = api.get(f"/download/{JobFactory(owner=user, broken=True).pk}").json()
    assert (body["error"], body["error_code"], body["retryable"]) == ("Gone.", "not_found", False)
    assert "browser" in body["remedy"]
    assert body["next_attempt_at"] is None


def test_shows_when_it_will_try_again(api: Api, user: User) -> None:
    soon = timezone.now() + timedelta(minutes=1)
    job = JobFactory(owner=user, error_code="network_error", error_message="Reset.", eligible_at=soon, attempt=1)
    body = api.get(f"/download/{job.pk}").json()
    assert (body["status"], body["retryable"], body["queue_position"]) == ("queued", True, None)
    assert datetime.fromisoformat(body["next_attempt_at"]) == soon


def test_numbers_that_json_does_not_have_are_null(api: Api, user: User) -> None:
    job = JobFactory(owner=user, running=True, speed=float("inf"), eta=float("inf"))
    body = api.get(f"/download/{job.pk}").json()
    assert (body["speed"], body["eta"]) == (None, None)


def test_says_the_place_in_the_queue(api: Api, user: User) -> None:
    first, second = JobFactory.create_batch(2, owner=user)
    urgent = JobFactory(owner=user, priority=10)
    JobFactory(priority=10)
    positions = [api.get(f"/download/{job.pk}").json()["queue_position"] for job in (urgent, first, second)]
    assert positions == [1, 2, 3]


def test_shows_files_that_are_deleted_without_an_address(api: Api, user: User) -> None:
    job = JobFactory(owner=user, finished=True)
    MediaFileFactory(job=job, deleted_at=timezone.now())
    body = api.get(f"/download/{job.pk}").json()
    assert body["file_url"] is body["files"][0]["file_url"] is None
    assert body["file_size"] == 5


@pytest.mark.parametrize("path", ["", "/logs", "/events"])
def test_somebody_elses_job_is_not_there(stranger: Api, job: Job, path: str) -> None:
    assert code_of(stranger.get(f"/download/{job.pk}{path}")) == (404, "not_found")
    assert code_of(stranger.get(f"/download/{uuid.uuid4()}{path}")) == (404, "not_found")


def test_an_operator_sees_only_their_own(operator: Api, job: Job) -> None:
    assert code_of(operator.get(f"/download/{job.pk}")) == (404, "not_found")
    assert ids(operator.get("/download")) == []


@pytest.mark.parametrize("path", ["", "/logs", "/events"])
def test_needs_a_key(anybody: Api, job: Job, path: str) -> None:
    assert code_of(anybody.get(f"/download/{job.pk}{path}")) == (401, "not_authenticated")


def test_a_session_reads_without_a_key(client: Client, user: User, job: Job) -> None:
    client.force_login(user)
    assert client.get(f"/api/v1/download/{job.pk}").status_code == 200


@pytest.mark.parametrize(
    "path", ["/download/x", "/download/1", f"/download/{'0' * 32}", "/download/%00", "/download/../x", "/nothing", "/"]
)
def test_an_address_that_leads_nowhere_is_a_problem_document(api: Api, path: str) -> None:
    assert code_of(api.get(path)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/api/", "/api/v2/download", "/api/v1", "/api/download"])
def test_so_is_one_outside_of_version_1(api: Api, path: str) -> None:
    assert code_of(api.client.get(path)) == (404, "not_found")


def test_a_method_that_is_not_there_names_those_that_are(api: Api, job: Job) -> None:
    answer = api.client.put(f"/api/v1/download/{job.pk}", {}, content_type="application/json")
    assert code_of(answer) == (405, "method_not_allowed")
    assert set(answer["Allow"].split(", ")) == {"GET", "HEAD", "DELETE", "OPTIONS"}
    assert set(api.client.options(f"/api/v1/download/{job.pk}").json()["methods"]) == set(answer["Allow"].split(", "))


def test_a_representation_that_is_not_there_is_refused(api: Api, job: Job) -> None:
    assert code_of(api.get(f"/download/{job.pk}", Accept="text/html")) == (406, "not_acceptable")


def test_answers_carry_the_security_headers(api: Api, job: Job) -> None:
    answer = api.get(f"/download/{job.pk}")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "RateLimit" in answer
    assert "RateLimit-Policy" in answer


# --- ETags and waiting --------------------------------------------------------------------------------------------


def test_an_unchanged_job_is_not_sent_again(api: Api, user: User, django_assert_num_queries: Any) -> None:
    job = JobFactory(owner=user, running=True)
    etag = api.get(f"/download/{job.pk}")["ETag"]
    again = api.get(f"/download/{job.pk}", **{"If-None-Match": f'"other", {etag}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    strong = etag.removeprefix("W/")
    assert api.get(f"/download/{job.pk}", **{"If-None-Match": strong}).status_code == 304


@pytest.mark.parametrize("value", ["*", "nonsense", '"', 'W/"1.queued."', 'W/"9.queued.."', '"a.b.c.d"', ""])
def test_an_unknown_tag_gets_the_whole(api: Api, user: User, value: str) -> None:
    job = JobFactory(owner=user, running=True)
    assert api.get(f"/download/{job.pk}", **{"If-None-Match": value}).status_code == 200


def test_the_tag_changes_with_progress_state_and_place_in_the_queue(api: Api, user: User) -> None:
    JobFactory(owner=user)
    job = JobFactory(owner=user)
    tags = [api.get(f"/download/{job.pk}")["ETag"]]
    Job.objects.exclude(pk=job.pk).get().cancel()
    tags.append(api.get(f"/download/{job.pk}")["ETag"])
    job.start("node/1/1")
    tags.append(api.get(f"/download/{job.pk}")["ETag"])
    job.renew(progress_percent=5)
    tags.append(api.get(f"/download/{job.pk}")["ETag"])
    job.enter(Stage.DOWNLOADING)
    tags.append(api.get(f"/download/{job.pk}")["ETag"])
    assert len(set(tags)) == 5


@pytest.mark.parametrize("wait", ["-1", "31", "x", "1.5", "", "\u0663", "1e1", "5&wait=6"])
def test_refuses_a_wait_that_is_none(api: Api, job: Job, wait: str) -> None:
    answer = api.client.get(f"/api/v1/download/{job.pk}?wait={wait}")
    assert code_of(answer) == (400, "validation_failed")
    assert answer.json()["errors"][0]["field"] == "wait"


def test_a_wait_that_is_over_answers_with_the_job_as_it_is(api: Api, job: Job) -> None:
    started = time.monotonic()
    answer = api.get(f"/download/{job.pk}", {"wait": 1})
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    assert 0.9 < time.monotonic() - started < 5


def test_a_wait_that_is_over_without_a_change_is_a_304(api: Api, job: Job) -> None:
    etag = api.get(f"/download/{job.pk}")["ETag"]
    assert api.get(f"/download/{job.pk}", {"wait": 1}, **{"If-None-Match": etag}).status_code == 304


def test_nobody_waits_for_a_finished_job(api: Api, user: User) -> None:
    started = time.monotonic()
    assert api.get(f"/download/{JobFactory(owner=user, finished=True).pk}", {"wait": 30}).status_code == 200
    assert time.monotonic() - started < 5


def test_nobody_waits_who_has_missed_a_move(api: Api, job: Job) -> None:
    """It moved between the client's last look and this one."""
    etag = api.get(f"/download/{job.pk}")["ETag"]
    job.start("node/1/1")
    started = time.monotonic()
    body = api.get(f"/download/{job.pk}", {"wait": 30}, **{"If-None-Match": etag}).json()
    assert (body["status"], body["stage"]) == ("running", "extracting")
    assert time.monotonic() - started < 5


@pytest.mark.django_db(transaction=True)
def test_waits_until_the_stage_changes_and_not_for_progress(user: User) -> None:
    job = JobFactory(owner=user)
    job.start("node/1/1")
    answers = []

    def ask() -> None:
        answers.append(Api(key).get(f"/download/{job.pk}", {"wait": 20}).json())
        connection.close()

    key = key_of(user)
    waiting = threading.Thread(target=ask)
    waiting.start()
    time.sleep(0.3)
    job.renew(progress_percent=5)
    time.sleep(0.7)
    assert not answers
    job.enter(Stage.DOWNLOADING)
    moved = time.monotonic()
    waiting.join(10)
    assert answers[0]["stage"] == "downloading"
    assert time.monotonic() - moved < 3


def test_a_layer_that_waits_for_us_is_told_on_what(api: Api, job: Job) -> None:
    """Behind mediadl.asgi no thread is held: it asks again when the channel speaks."""
    job.start("node/1/1")
    last = job.events.latest("id").pk
    first = api.client.get(f"/api/v1/download/{job.pk}?wait=7", **NOT_YET)
    assert (first.status_code, first.content) == (200, b"")
    assert first["X-Accel-Events"] == f"moves:{job.pk}"
    assert (first["X-Accel-Wait"], first["X-Accel-After"]) == ("7", str(last))
    second = api.client.get(f"/api/v1/download/{job.pk}?wait=7", **WAITED)
    assert second.json()["status"] == "running"
    assert "X-Accel-Wait" not in second


# --- Logs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(job: Job) -> Job:
    levels = ["debug", "info", "warning", "error", "info"]
    moments = [MOMENT + timedelta(seconds=number) for number in range(5)]
    JobLog.objects.append(job, zip(moments, levels, ["one", "two", "three", "four", "five"], strict=True))
    return job


def test_shows_the_log_in_order(api: Api, logged: Job) -> None:
    body = api.get(f"/download/{logged.pk}/logs").json()
    assert body["request_id"] == str(logged.pk)
    assert body["total_count"] == 5
    assert body["logs"][0] == {"timestamp": "2030-01-31T12:00:00.000005Z", "level": "debug", "message": "one"}
    assert [line["message"] for line in body["logs"]] == ["one", "two", "three", "four", "five"]


def test_shows_a_level_and_above(api: Api, logged: Job) -> None:
    body = api.get(f"/download/{logged.pk}/logs", {"level": "warning"}).json()
    assert [line["message"] for line in body["logs"]] == ["three", "four"]
    assert body["total_count"] == 2


def test_goes_on_after_the_last_line_seen(api: Api, logged: Job) -> None:
    seen = api.get(f"/download/{logged.pk}/logs").json()["logs"][2]["timestamp"]
    body = api.get(f"/download/{logged.pk}/logs", {"after": seen}).json()
    assert [line["message"] for line in body["logs"]] == ["four", "five"]
    assert body["total_count"] == 5


@pytest.mark.parametrize(
    "query", ["level=loud", "level=", "after=5", "after=yesterday", "limit=5", "level=info&level=info"]
)
def test_refuses_queries_of_a_log_that_make_no_sense(api: Api, logged: Job, query: str) -> None:
    answer = api.client.get(f"/api/v1/download/{logged.pk}/logs?{query}")
    assert code_of(answer)[0] == 400


def test_one_job_costs_few_queries(api: Api, user: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    job = JobFactory(owner=user, running=True)
    etag = api.get(f"/download/{job.pk}")["ETag"]
    with django_assert_num_queries(4):  # key, rate, job, files
        api.get(f"/download/{job.pk}")
    with django_assert_num_queries(3):
        api.get(f"/download/{job.pk}", **{"If-None-Match": etag})
