"""Batches by the API: several links, playlists and channels."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Scope, User
from downloads.models import Batch, BatchEvent, Job, MediaFile, Probe
from tests.api.conftest import Api, code_of, key_of
from tests.factories import BatchFactory, JobFactory

pytestmark = pytest.mark.django_db
LINKS = ["https://videos.example.com/watch/1", "https://videos.example.com/watch/2"]
LIST = "https://videos.example.com/playlist/7"
KINDS = ["/batch/download", "/playlist/download", "/channel/download"]


def body_for(path: str, **changes: Any) -> dict[str, Any]:
    return ({"urls": LINKS} if path == KINDS[0] else {"url": LIST}) | changes


def fields_of(answer: Any) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


@pytest.fixture
def batch(user: User) -> Batch:
    return BatchFactory(owner=user)


def add(batch: Batch, number: int = 1, **fields: Any) -> Job:
    return JobFactory(owner=batch.owner, batch=batch, playlist_index=number, **fields)


# --- Several links ----------------------------------------------------------------------------------------------


def test_links_become_jobs_of_one_batch(api: Api) -> None:
    answer = api.post("/batch/download", {"urls": LINKS, "quality": "720p", "concurrent_limit": 5, "tags": ["a"]})
    body = answer.json()
    batch = Batch.objects.get()
    assert (answer.status_code, answer["Location"]) == (201, f"/api/v1/batch/{batch.pk}")
    assert [(job["url"], job["status"]) for job in body["jobs"]] == [(url, "queued") for url in LINKS]
    names = ("kind", "status", "total_urls", "queued", "progress_percent", "archive_url", "concurrent_limit", "error")
    assert [body[name] for name in names] == ["batch", "queued", 2, 2, 0.0, None, 5, None]
    job = Job.objects.order_by("id").first()
    assert job is not None
    assert (job.options["quality"], job.tags, job.batch, job.playlist_index) == ("720p", ["a"], batch, 1)
    assert api.get(f"/download/{job.pk}").json()["batch_id"] == str(batch.pk)
    assert api.get("/download", {"batch_id": str(batch.pk)}).json()["results"][0]["batch_id"] == str(batch.pk)
    assert BatchEvent.objects.get().kind == "created"


def test_a_bad_link_refuses_all_of_them_and_is_named(api: Api) -> None:
    answer = api.post("/batch/download", {"urls": [*LINKS, "ftp://a.example", *LINKS, "nothing"]})
    assert code_of(answer) == (400, "validation_failed")
    assert fields_of(answer) == ["urls[2]", "urls[5]"]
    assert (Job.objects.count(), Batch.objects.count()) == (0, 0)


def test_a_site_that_is_not_allowed_refuses_all_of_them_and_is_named(api: Api, settings: Settings) -> None:
    settings.BLOCKED_DOMAINS = ["bad.example"]
    answer = api.post("/batch/download", {"urls": [LINKS[0], "http://bad.example/1", "http://x.bad.example/2"]})
    assert code_of(answer) == (400, "domain_not_allowed")
    assert fields_of(answer) == ["urls[1]", "urls[2]"]
    assert not Job.objects.exists()


def test_a_batch_that_the_queue_has_no_room_for_is_refused_whole(api: Api, user: User, settings: Settings) -> None:
    settings.MAX_QUEUED_PER_OWNER = 2
    JobFactory(owner=user)
    assert code_of(api.post("/batch/download", {"urls": LINKS})) == (429, "quota_exceeded")
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"urls": []}, "urls"),
        ({"urls": LINKS * 51}, "urls"),
        ({"urls": "https://a.example"}, "urls"),
        ({"urls": [1]}, "urls[0]"),
        ({"concurrent_limit": 0}, "concurrent_limit"),
        ({"concurrent_limit": 11}, "concurrent_limit"),
        ({"stop_on_error": 1}, "stop_on_error"),
        ({"ignore_errors": "yes"}, "ignore_errors"),
        ({"quality": "8k"}, "quality"),
        ({"webhook_events": ["batch.gone"]}, "webhook_events[0]"),
        ({"items": "1"}, "items"),
    ],
)
def test_bad_fields_of_a_batch_are_refused(api: Api, changes: dict[str, Any], field: str) -> None:
    answer = api.post("/batch/download", body_for("/batch/download", **changes))
    assert answer.status_code == 400
    assert fields_of(answer) == [field]
    assert not Batch.objects.exists()


# --- Lists ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "wanted", "kept"),
    [
        (
            "/playlist/download",
            {"items": "1-10,15", "reverse_playlist": True},
            {"items": "1-10,15", "is_reversed": True},
        ),
        (
            "/playlist/download",
            {"start": 2, "end": 4, "skip_downloaded": False},
            {"start": 2, "skips_downloaded": False},
        ),
        (
            "/channel/download",
            {"date_after": "20260101", "min_views": 5, "sort_by": "duration", "max_downloads": 7},
            {"filters": {"date_after": "20260101", "min_views": 5}, "sort_by": "duration", "max_downloads": 7},
        ),
    ],
)
def test_a_list_is_answered_at_once_with_an_empty_batch(
    api: Api, path: str, wanted: dict[str, Any], kept: dict[str, Any]
) -> None:
    began = time.monotonic()
    answer = api.post(path, {"url": LIST, **wanted})
    assert time.monotonic() - began < 5
    body = answer.json()
    assert (answer.status_code, body["status"], body["jobs"], body["url"]) == (201, "expanding", [], LIST)
    assert body["kind"] == path.split("/")[1]
    batch = Batch.objects.get()
    assert kept.items() <= batch.selection.items()
    assert Probe.objects.get().status == "queued"


@pytest.mark.parametrize(
    ("path", "changes", "field"),
    [
        *(("/playlist/download", {"items": items}, "items") for items in ("0", "1,,2", "a", "5-3", "-3", "1 2", "")),
        ("/playlist/download", {"start": 0}, "start"),
        ("/playlist/download", {"start": 5, "end": 4}, "end"),
        ("/playlist/download", {"end": 1.5}, "end"),
        ("/playlist/download", {"reverse_playlist": "no"}, "reverse_playlist"),
        ("/playlist/download", {"date_after": "20260101"}, "date_after"),
        ("/channel/download", {"date_after": "2026-01-01"}, "date_after"),
        ("/channel/download", {"date_after": "20260230"}, "date_after"),
        ("/channel/download", {"date_after": "20260102", "date_before": "20260101"}, "date_before"),
        ("/channel/download", {"min_duration": 5, "max_duration": 4}, "max_duration"),
        ("/channel/download", {"min_views": -1}, "min_views"),
        ("/channel/download", {"sort_by": "likes"}, "sort_by"),
        ("/channel/download", {"max_downloads": 0}, "max_downloads"),
        ("/channel/download", {"max_downloads": 1001}, "max_downloads"),
        ("/channel/download", {"items": "1"}, "items"),
        ("/channel/download", {"url": "nothing"}, "url"),
        ("/channel/download", {"path_template": "{no}"}, "path_template"),
    ],
)
def test_bad_fields_of_a_list_are_refused(api: Api, path: str, changes: dict[str, Any], field: str) -> None:
    answer = api.post(path, body_for(path, **changes))
    assert answer.status_code == 400
    assert set(fields_of(answer)) == {field}
    assert not Batch.objects.exists()


@pytest.mark.parametrize("path", KINDS)
def test_submitting_needs_a_key_that_may_write(path: str, anybody: Api, user: User) -> None:
    assert code_of(anybody.post(path, body_for(path)))[0] == 401
    assert code_of(Api(key_of(user, Scope.READ)).post(path, body_for(path))) == (403, "insufficient_scope")
    assert not Batch.objects.exists()


@pytest.mark.parametrize("path", KINDS)
def test_a_repeated_request_makes_no_second_batch(path: str, api: Api) -> None:
    first, second = (api.post(path, body_for(path), **{"Idempotency-Key": "once"}) for _ in range(2))
    assert (first.status_code, second.status_code, first.json()) == (201, 201, second.json())
    assert Batch.objects.count() == 1


@pytest.mark.parametrize("path", KINDS)
def test_submitting_counts_for_the_rate_limit(path: str, api: Api, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    assert api.post(path, body_for(path)).status_code == 201
    refused = api.post(path, body_for(path))
    assert code_of(refused) == (429, "rate_limit_exceeded")
    assert int(refused["Retry-After"]) > 0


# --- Reading ----------------------------------------------------------------------------------------------------


def test_shows_the_state_of_all_in_a_few_queries(
    api: Api, batch: Batch, stored: Callable[..., MediaFile], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    done = add(batch, 1, finished=True, title="First")
    file = stored(done)
    add(batch, 2, broken=True)
    for number in range(3, 30):
        add(batch, number)
    with django_assert_max_num_queries(14):
        body = api.get(f"/batch/{batch.pk}").json()
    assert (body["status"], body["total_urls"], body["completed"], body["failed"], body["queued"]) == (
        "running",
        29,
        1,
        1,
        27,
    )
    assert body["progress_percent"] == pytest.approx(200 / 29, abs=0.01)
    first, second = body["jobs"][:2]
    assert (first["title"], first["file_url"].split("/")[-2]) == ("First", str(file.pk))
    assert (second["error"], second["error_code"], second["file_url"]) == ("Gone.", "not_found", None)
    assert body["archive_url"].endswith(f"/batch/{batch.pk}/archive")


def test_an_unchanged_batch_is_answered_with_304(api: Api, batch: Batch) -> None:
    job = add(batch)
    etag = api.get(f"/batch/{batch.pk}")["ETag"]
    assert api.get(f"/batch/{batch.pk}", **{"If-None-Match": etag}).status_code == 304
    job.cancel()
    changed = api.get(f"/batch/{batch.pk}", **{"If-None-Match": etag})
    assert (changed.status_code, changed.json()["status"]) == (200, "cancelled")


def test_lists_the_newest_first_page_by_page(
    api: Api, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    made = [BatchFactory(owner=user) for _ in range(5)]
    for each in made:
        add(each)
    with django_assert_max_num_queries(12):
        page = api.get("/batch", {"limit": 3}).json()
    assert [row["batch_id"] for row in page["results"]] == [str(each.pk) for each in reversed(made[2:])]
    assert "jobs" not in page["results"][0]
    assert page["results"][0]["total_urls"] == 1
    rest = api.client.get(page["next"]).json()
    assert [row["batch_id"] for row in rest["results"]] == [str(made[1].pk), str(made[0].pk)]
    assert rest["next"] is None


def test_a_cursor_of_another_list_is_refused(api: Api, user: User) -> None:
    JobFactory.create_batch(2, owner=user)
    cursor = api.get("/download", {"limit": 1}).json()["next"].partition("cursor=")[2]
    assert code_of(api.client.get(f"/api/v1/batch?cursor={cursor}")) == (404, "invalid_cursor")


# --- Steering ---------------------------------------------------------------------------------------------------


def test_deleting_cancels_all_that_has_not_finished_and_may_be_repeated(api: Api, batch: Batch) -> None:
    add(batch, 1, finished=True)
    add(batch, 2)
    add(batch, 3, running=True)
    answer = api.delete(f"/batch/{batch.pk}")
    assert answer.status_code == 200
    assert answer.json() == {
        "batch_id": str(batch.pk),
        "status": "cancelled",
        "cancelled": 2,
        "message": "Cancelled downloads: 2.",
    }
    assert api.delete(f"/batch/{batch.pk}").json()["cancelled"] == 0
    assert api.get(f"/batch/{batch.pk}").json()["completed"] == 1


def test_retrying_queues_the_failed(api: Api, batch: Batch) -> None:
    add(batch, 1, finished=True)
    failed = add(batch, 2, broken=True)
    Batch.objects.filter(pk=batch.pk).update(status="completed", finished_at=failed.finished_at)
    body = api.post(f"/batch/{batch.pk}/retry").json()
    assert (body["status"], body["queued"], body["failed"]) == ("running", 1, 0)
    assert code_of(api.post(f"/batch/{batch.pk}/retry")) == (409, "wrong_state")


def test_retrying_takes_jobs_of_the_day(api: Api, batch: Batch, settings: Settings) -> None:
    settings.MAX_JOBS_PER_DAY = 1
    failed = [add(batch, number, broken=True) for number in (1, 2)]
    Batch.objects.filter(pk=batch.pk).update(status="failed", finished_at=failed[0].finished_at)
    assert code_of(api.post(f"/batch/{batch.pk}/retry")) == (429, "quota_exceeded")
    assert api.get(f"/batch/{batch.pk}").json()["failed"] == 2


def test_the_archive_is_granted_and_not_sent_by_django(
    api: Api, batch: Batch, stored: Callable[..., MediaFile]
) -> None:
    stored(add(batch, 1, finished=True), filename="Ü.mp4")
    answer = api.get(f"/batch/{batch.pk}/archive")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert int(answer["X-Accel-Segments"]) > 0
    assert answer["X-Accel-Owner"] == str(batch.owner_id)
    assert answer["Content-Disposition"].startswith('attachment; filename="batch ')
    assert [len(segment) for segment in json.loads(answer.content) if isinstance(segment, list)] == [3]


def test_without_files_there_is_no_archive(api: Api, batch: Batch, stored: Callable[..., MediaFile]) -> None:
    add(batch, 1)
    assert code_of(api.get(f"/batch/{batch.pk}/archive")) == (409, "wrong_state")
    stored(add(batch, 2, finished=True))
    MediaFile.objects.mark_deleted()
    assert code_of(api.get(f"/batch/{batch.pk}/archive")) == (410, "file_expired")
    assert code_of(api.get(f"/batch/{batch.pk}/archive", {"x": "1"})) == (400, "unknown_field")


def test_others_batches_are_not_there(stranger: Api, batch: Batch) -> None:
    add(batch)
    for answer in (
        stranger.get(f"/batch/{batch.pk}"),
        stranger.get(f"/batch/{batch.pk}/archive"),
        stranger.delete(f"/batch/{batch.pk}"),
        stranger.post(f"/batch/{batch.pk}/retry"),
    ):
        assert code_of(answer) == (404, "not_found")
    assert stranger.get("/batch").json()["results"] == []
    assert stranger.get("/download", {"batch_id": str(batch.pk)}).json()["results"] == []
    assert Job.objects.get().status == "queued"
