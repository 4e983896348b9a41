"""POST /download/estimate: what would be fetched, and whether it would be allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from jsonschema_rs import Draft202012Validator
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import ApiKey, DayUsage, Scope, User
from downloads.engine.errors import ErrorCode
from downloads.events import probe_channel
from downloads.models import Job, Probe
from tests.api.conftest import URL, Api, code_of, key_of
from tests.api.test_probes import MEDIA, failed, found
from tests.factories import JobFactory, MediaFileFactory

pytestmark = pytest.mark.django_db

PATH = "/download/estimate"
VIDEO, AUDIO = {**MEDIA["items"][0], "filesize": 9000}, {**MEDIA["items"][1], "filesize": 1000}
BOTH = f"{VIDEO['format_id']}+{AUDIO['format_id']}"
CHOICES = {
    "best/mp4": {"format": BOTH, "size_bytes": 10_000, "available": True},
    "best/webm": {"format": VIDEO["format_id"], "size_bytes": 9000, "available": True},
    "2160p/mp4": {"format": BOTH, "size_bytes": 10_000, "available": False},
    "audio/m4a": {"format": AUDIO["format_id"], "size_bytes": 1000, "available": True},
    "audio/flac": {"format": None, "size_bytes": None, "available": False},
}
PAGE = {
    **MEDIA,
    "metadata": {**MEDIA["metadata"], "duration": 100.0},
    "items": [VIDEO, AUDIO],
    "choices": CHOICES,
}


@pytest.fixture(autouse=True)
def impatient(settings: Settings) -> None:
    settings.PROBE_WAIT_SECONDS = 0


def estimate(api: Api, **wanted: Any) -> dict[str, Any]:
    answer = api.post(PATH, {"url": URL, **wanted})
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def reasons(api: Api, **wanted: Any) -> list[str]:
    body = estimate(api, **wanted)
    assert body["allowed"] is not bool(body["reasons"])
    return [reason["code"] for reason in body["reasons"]]


# --- Looking ----------------------------------------------------------------------------------------------------


def test_asks_a_worker_once_and_says_where_to_look(api: Api) -> None:
    answers = [api.post(PATH, {"url": URL, "quality": quality}) for quality in ("best", "720p")]
    probe = Probe.objects.get()
    assert [answer.status_code for answer in answers] == [202, 202]
    assert {answer["Location"] for answer in answers} == {f"/api/v1/probe/{probe.pk}"}
    assert not Job.objects.exists()


def test_is_answered_from_what_formats_has_found(api: Api, user: User) -> None:
    found(user, PAGE)
    body = estimate(api)
    assert (body["format"], body["size_bytes"], body["available"]) == (BOTH, 10_000, True)
    assert [part["format_id"] for part in body["formats"]] == BOTH.split("+")
    assert (body["title"], body["duration"]) == (PAGE["metadata"]["title"], 100)
    assert (body["allowed"], body["reasons"]) == (True, [])
    assert [preset["quality"] for preset in body["presets"]] == [preset["quality"] for preset in PAGE["presets"]]


def test_holds_no_thread_where_a_layer_over_us_waits(api: Api, user: User, settings: Settings) -> None:
    settings.PROBE_WAIT_SECONDS = 20
    before: dict[str, Any] = {"mediadl.waited": False}
    path, body = f"/api/v1{PATH}", json.dumps({"url": URL})
    answer = api.client.post(path, body, content_type="application/json", **before)
    assert answer["X-Accel-Events"] == probe_channel(Probe.objects.get().pk)
    found(user, PAGE)
    after: dict[str, Any] = {"mediadl.waited": True}
    assert api.client.post(path, body, content_type="application/json", **after).status_code == 200


def test_needs_to_read_and_not_to_write(user: User, anybody: Api) -> None:
    assert Api(key_of(user, Scope.READ)).post(PATH, {"url": URL}).status_code == 202
    assert code_of(Api(key_of(user, Scope.WRITE)).post(PATH, {"url": URL})) == (403, "insufficient_scope")
    assert code_of(anybody.post(PATH, {"url": URL})) == (401, "not_authenticated")


def test_counts_as_a_read(api: Api, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    answers = [api.post(PATH, {"url": URL}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]
    assert "reads-minute" in answers[0]["RateLimit-Policy"]


@pytest.mark.parametrize("body", [{}, {"url": "file:///x"}, {"url": URL, "quality": "8k"}, {"url": URL, "proxy": "x"}])
def test_refuses_what_a_submission_would_refuse(api: Api, body: dict[str, Any]) -> None:
    answer = api.post(PATH, body)
    assert code_of(answer) == code_of(api.post("/download", body))
    assert answer.status_code == 400
    assert not Probe.objects.exists()


def test_a_failed_look_is_told_as_everywhere(api: Api, user: User) -> None:
    failed(user, ErrorCode.PRIVATE)
    assert code_of(api.post(PATH, {"url": URL})) == (502, "private")


def test_what_was_found_for_one_is_not_told_to_another(user: User, stranger: Api) -> None:
    found(user, PAGE)
    assert stranger.post(PATH, {"url": URL}).status_code == 202


def test_costs_few_queries(api: Api, user: User, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    found(user, PAGE)
    api.post(PATH, {"url": URL})
    with django_assert_max_num_queries(8):
        estimate(api)


# --- Choosing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "format_id", "size"),
    [
        ({"video_format": "webm"}, VIDEO["format_id"], 9000),
        ({"video_format": "avi"}, BOTH, 10_000),
        ({"audio_only": True, "audio_format": "aac"}, AUDIO["format_id"], 1000),
        ({"custom_format": f"none/{AUDIO['format_id']}"}, AUDIO["format_id"], 1000),
        ({"clip_start_sec": 10, "clip_end_sec": 35}, BOTH, 2500),
        ({"clip_start_sec": 90, "clip_end_sec": 500}, BOTH, 1000),
    ],
)
def test_chooses_by_the_options(api: Api, user: User, wanted: dict[str, Any], format_id: str, size: int) -> None:
    found(user, PAGE)
    body = estimate(api, **wanted)
    assert (body["format"], body["size_bytes"]) == (format_id, size)


def test_says_when_it_is_the_next_best_or_nothing(api: Api, user: User) -> None:
    found(user, PAGE)
    assert estimate(api, quality="4k")["available"] is False
    assert reasons(api, audio_only=True, audio_format="wav") == ["format_unavailable"]
    assert reasons(api, custom_format="none") == ["format_unavailable"]


def test_a_look_from_before_an_upgrade_answers_by_its_presets(api: Api, user: User) -> None:
    found(user, {**MEDIA, "items": [VIDEO, AUDIO]})
    assert estimate(api)["format"] == MEDIA["presets"][0]["format"]


# --- What is allowed --------------------------------------------------------------------------------------------


def test_what_the_operator_does_not_allow_is_not_looked_at(api: Api, settings: Settings) -> None:
    settings.BLOCKED_DOMAINS = ["example.com"]
    body = estimate(api)
    assert (body["allowed"], body["reasons"][0]["code"], body["format"]) == (False, "domain_not_allowed", None)
    assert not Probe.objects.exists()


def test_a_full_disk_is_a_reason(api: Api, settings: Settings) -> None:
    settings.STORAGE_RESERVE_BYTES = 2**62
    assert reasons(api) == ["storage_full"]


def test_a_size_above_the_limit_is_a_reason(api: Api, user: User) -> None:
    found(user, PAGE)
    assert reasons(api, max_size_bytes=9999) == ["too_large"]
    assert reasons(api, max_size_bytes=10_000) == []


def test_each_quota_is_a_reason_and_time_mends_some(api: Api, user: User) -> None:
    found(user, PAGE)
    JobFactory(owner=user)
    DayUsage.objects.take_jobs(user.pk, 1)
    DayUsage.objects.add_bytes(user.pk, 1)
    ApiKey.objects.filter(owner=user).update(max_jobs_per_day=1)
    DayUsage.objects.take_jobs(ApiKey.objects.get(owner=user).pk, 1)
    MediaFileFactory(job=JobFactory(owner=user, finished=True, is_kept=True, expires_at=None), size_bytes=1)
    limits = {
        "max_queued_jobs": 1,
        "max_jobs_per_day": 1,
        "max_bytes_per_day": 10_000,
        "max_stored_bytes": 10_000,
    }
    User.objects.filter(pk=user.pk).update(**limits)
    body = estimate(api)
    assert [reason["code"] for reason in body["reasons"]] == ["quota_exceeded"] * 5
    assert [bool(reason["retry_after_sec"]) for reason in body["reasons"]] == [True, True, True, True, False]
    User.objects.filter(pk=user.pk).update(**{name: value + 1 for name, value in limits.items()})
    ApiKey.objects.filter(owner=user).update(max_jobs_per_day=2)
    assert estimate(api)["allowed"] is True


def test_answers_as_the_description_says(api: Api, user: User, settings: Settings) -> None:
    document = json.loads((Path(django_settings.BASE_DIR) / "docs" / "openapi.json").read_text())
    schema = {"$ref": "#/components/schemas/Estimate", "components": document["components"]}
    found(user, PAGE)
    Draft202012Validator(schema).validate(estimate(api))
    settings.BLOCKED_DOMAINS = ["example.com"]
    Draft202012Validator(schema).validate(estimate(api))
