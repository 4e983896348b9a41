"""Idempotency-Key, on every POST that creates."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import InvalidToken
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import Settings
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts.models import ApiKey, IdempotentAnswer, Scope, User
from accounts.models import idempotency as rows
from downloads import crash_points, sweeping
from downloads.api import idempotency
from downloads.models import Job, JobEvent
from tests.api.conftest import URL, Api, code_of, key_of

pytestmark = [pytest.mark.promise("P9"), pytest.mark.django_db]

OTHER = "https://videos.example.com/watch/43"
ONE = {"Idempotency-Key": "one"}


def test_repeats_the_answer_and_not_the_work(api: Api) -> None:
    first, second = (api.post("/download", {"url": URL}, **ONE) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second["Location"] == first["Location"]
    assert (first.headers.get("Idempotency-Replayed"), second["Idempotency-Replayed"]) == (None, "true")
    assert (Job.objects.count(), JobEvent.objects.count(), OrmQ.objects.count()) == (1, 1, 1)


def test_repeats_it_as_it_was_even_when_the_job_has_moved_on(api: Api) -> None:
    first = api.post("/download", {"url": URL}, **ONE)
    Job.objects.get().cancel()
    assert api.post("/download", {"url": URL}, **ONE).content == first.content


def test_the_same_body_may_be_written_otherwise(api: Api) -> None:
    bodies = [f'{{"url": "{URL}", "tags": ["a"]}}', f'{{"tags":["a"],"url":"{URL}"}}']
    answers = [api.post("/download", json.loads(bodies[0]), **ONE)]
    answers.append(
        api.client.post("/api/v1/download", bodies[1], content_type="application/json; charset=utf-8", headers=ONE)
    )
    assert answers[0].json()["request_id"] == answers[1].json()["request_id"]


@pytest.mark.parametrize("body", [{"url": OTHER}, {"url": URL, "quality": "best"}, {"url": URL, "nonsense": 1}, {}])
def test_another_body_is_a_conflict_and_does_nothing(api: Api, body: dict[str, Any]) -> None:
    api.post("/download", {"url": URL}, **ONE)
    assert code_of(api.post("/download", body, **ONE)) == (422, "idempotency_conflict")
    assert Job.objects.count() == 1


def test_another_operation_is_a_conflict(operator: Api) -> None:
    operator.post("/download", {"url": URL}, **ONE)
    assert code_of(operator.post("/keys", {"name": "x"}, **ONE)) == (422, "idempotency_conflict")


def test_another_key_and_no_key_make_other_jobs(api: Api) -> None:
    for headers in ({}, {}, ONE, {"Idempotency-Key": "two"}):
        assert api.post("/download", {"url": URL}, **headers).status_code == 201
    assert Job.objects.count() == 4


def test_others_have_keys_of_their_own(api: Api, stranger: Api, user: User) -> None:
    answers = [who.post("/download", {"url": URL}, **ONE) for who in (api, stranger, Api(key_of(user)))]
    assert len({answer.json()["request_id"] for answer in answers}) == 3
    assert code_of(stranger.post("/download", {"url": OTHER}, **ONE)) == (422, "idempotency_conflict")


def test_a_request_that_fails_is_not_remembered(api: Api, settings: Settings) -> None:
    assert code_of(api.post("/download", {"url": "ftp://x"}, **ONE))[0] == 400
    settings.MAX_QUEUED_PER_OWNER = 1
    api.post("/download", {"url": OTHER})
    assert code_of(api.post("/download", {"url": URL}, **ONE)) == (429, "quota_exceeded")
    settings.MAX_QUEUED_PER_OWNER = 2
    assert api.post("/download", {"url": URL}, **ONE).status_code == 201
    assert IdempotentAnswer.objects.count() == 1


def test_a_failure_half_way_leaves_neither_job_nor_key(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(crash_points, "reach", fail)
        assert code_of(api.post("/download", {"url": URL}, **ONE)) == (500, "internal_error")
    assert not (Job.objects.exists())
    assert not (IdempotentAnswer.objects.exists())
    assert not (OrmQ.objects.exists())
    assert api.post("/download", {"url": URL}, **ONE).status_code == 201


@pytest.mark.parametrize("key", ["x", "x" * 255, "a b", '"8e03978e-40d5-43e8-bc93-6894a57f9324"', "~!@#$%^&*()"])
def test_a_key_is_any_visible_text(api: Api, key: str) -> None:
    answers = [api.post("/download", {"url": URL}, **{"Idempotency-Key": key}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert Job.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "caf\xe9", "x\x7f", "x\x00"])
def test_what_is_no_key_is_refused(api: Api, key: str) -> None:
    answer = api.post("/download", {"url": URL}, **{"Idempotency-Key": key})
    assert code_of(answer) == (400, "invalid_idempotency_key")
    assert not Job.objects.exists()


def test_is_forgotten_after_a_day(api: Api) -> None:
    first = api.post("/download", {"url": URL}, **ONE)
    for age, is_repeated in ((timedelta(hours=23), True), (timedelta(hours=25), False)):
        IdempotentAnswer.objects.update(created_at=Now() - age)
        again = api.post("/download", {"url": URL}, **ONE)
        assert (again.json()["request_id"] == first.json()["request_id"]) is is_repeated
    assert IdempotentAnswer.objects.count() == 1


def test_the_sweep_removes_what_is_a_day_old(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("old", "new"):
        api.post("/download", {"url": URL}, **{"Idempotency-Key": key})
    old = IdempotentAnswer.objects.order_by("created_at")[:1].get()
    IdempotentAnswer.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=25))
    monkeypatch.setattr("downloads.sweeping.cache.add", lambda *_: True)
    sweeping.forget()
    assert IdempotentAnswer.objects.count() == 1
    assert not IdempotentAnswer.objects.filter(pk=old.pk).exists()


def test_goes_with_its_owner(api: Api, user: User) -> None:
    api.post("/download", {"url": URL}, **ONE)
    user.delete()
    assert not IdempotentAnswer.objects.exists()


# --- Secrets ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("action", ["create", "rotate"])
def test_a_repeated_answer_shows_no_key_and_none_is_stored(user: User, action: str) -> None:
    user.is_staff = True
    user.save()
    api = Api(key_of(user, *Scope))
    path, body = "/keys", {"name": "x"}
    if action == "rotate":
        path, body = f"/keys/{ApiKey.objects.issue(user, 'old', [Scope.READ])[0].pk}/rotate", {}
    first, second = (api.post(path, body, **ONE) for _ in range(2))
    plain = first.json()["key"]
    assert second.json() == first.json() | {"key": None}
    assert second["Cache-Control"] == "no-store"
    assert ApiKey.objects.owned_by(user).count() == (2 if action == "create" else 3)
    assert plain not in IdempotentAnswer.objects.get().recorded_body("one").decode()


def test_neither_the_key_nor_the_bodies_can_be_read_in_the_row(api: Api) -> None:
    api.post("/download", {"url": URL}, **{"Idempotency-Key": "order-4711"})
    row = IdempotentAnswer.objects.get()
    kept = str(IdempotentAnswer.objects.values()) + bytes(row.body).decode()
    assert not any(said in kept for said in ("order-4711", URL, "queued"))
    assert URL in row.recorded_body("order-4711").decode()
    with pytest.raises(InvalidToken):
        row.recorded_body("order-4712")


# --- Uploads ----------------------------------------------------------------------------------------------------
def test_an_upload_is_the_same_when_its_parts_are() -> None:
    def material(content: bytes, name: str = "n", filename: str = "c.txt") -> bytes:
        file = SimpleUploadedFile(filename, content)
        raw = APIRequestFactory().post("/x", {"name": name, "file": file}, format="multipart")
        request = Request(raw, parsers=[MultiPartParser()])
        said = idempotency._material(request)
        assert request.FILES["file"].read() == content, "the view still has all of it"
        return said

    same = material(b"cookies")
    assert material(b"cookies") == same
    assert len({same, material(b"other"), material(b"cookies", name="m"), material(b"cookies", filename="d")}) == 4


# --- At the same time -------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_parallel_requests_make_one_job(user: User) -> None:
    key, barrier, answers = key_of(user), threading.Barrier(8), list[Any]()

    def submit() -> None:
        barrier.wait()
        answers.append(Api(key).post("/download", {"url": URL}, **ONE))
        connection.close()

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(answer.status_code for answer in answers) == {201: 8}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 7
    assert Job.objects.count() == 1


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite waits as long as its transactions do")
@pytest.mark.django_db(transaction=True)
def test_who_waits_too_long_is_told_to_come_again(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "POSTGRES_WAIT", "100ms")
    entered, left = threading.Event(), threading.Event()

    def pause(_: str) -> None:
        entered.set()
        left.wait(30)

    monkeypatch.setattr(crash_points, "reach", pause)
    api, answers = Api(key_of(user)), list[Any]()

    def submit() -> None:
        answers.append(api.post("/download", {"url": URL}, **ONE))
        connection.close()

    first = threading.Thread(target=submit)
    first.start()
    assert entered.wait(30)
    busy = api.post("/download", {"url": URL}, **ONE)
    left.set()
    first.join()
    assert code_of(busy) == (409, "idempotency_in_flight")
    assert int(busy["Retry-After"]) >= 1
    assert answers[0].status_code == 201
    assert api.post("/download", {"url": URL}, **ONE).json() == answers[0].json()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite waits as long as its transactions do")
def test_another_failure_of_the_database_is_taken_for_no_wait() -> None:
    def run_out_of_time() -> None:
        with transaction.atomic(), connection.cursor() as cursor, rows.bounded_wait():
            cursor.execute("SET LOCAL statement_timeout TO '50ms'")
            cursor.execute("SELECT pg_sleep(30)")

    with pytest.raises(OperationalError, match="statement timeout"):
        run_out_of_time()
