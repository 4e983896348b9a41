"""GET /formats, /metadata, /playlist/preview, /channel/info and /probe/{id}, as far as the web process goes."""

from __future__ import annotations

import csv
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django_q.models import OrmQ
from jsonschema_rs import Draft202012Validator
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Scope, User
from downloads.api import describe_probes
from downloads.engine.errors import ErrorCode, JobError
from downloads.events import Source, probe_channel
from downloads.models import Probe, ProbeKind
from downloads.probing import ask
from tests.api.conftest import URL, Api, code_of, key_of

pytestmark = pytest.mark.django_db

PATHS = ("/formats", "/metadata", "/playlist/preview", "/channel/info")
LISTS = ("/playlist/preview", "/channel/info")
ABOUT = {**describe_probes.FOUND_METADATA, "description": "=1+1", "tags": ["one", "two"]}
FORMAT = {**describe_probes.VIDEO, "streams": "video_only"}
MEDIA: dict[str, Any] = {
    "metadata": ABOUT,
    **{
        name: describe_probes.FOUND_FORMATS[name]
        for name in ("best_video_format", "best_audio_format", "recommended_format", "presets")
    },
    "subtitles": {"en": [{"ext": "vtt", "name": None}]},
    "automatic_captions": {},
    "items": [FORMAT, {**describe_probes.AUDIO, "streams": "audio_only"}],
    "truncated": False,
}


def entry(number: int, **known: Any) -> dict[str, Any]:
    names = ("duration", "thumbnail", "uploader", "upload_date", "view_count")
    named = {"id": str(number), "title": f"Video {number}", "url": f"{URL}/{number}", "playlist_index": number}
    return {**named, **dict.fromkeys(names), **known}


def listed(*entries: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "description", "uploader", "uploader_url", "channel_id", "channel_url", "thumbnail")
    more = {"subscriber_count": 7, "count": None, "extractor": "generic", "url": URL, "title": "A list"}
    return {**dict.fromkeys(names), **more, "items": list(entries), "truncated": False}


def found(user: User, result: dict[str, Any], kind: ProbeKind = ProbeKind.MEDIA) -> Probe:
    probe = ask(user, kind, URL)
    probe.start("node/1/1")
    probe.complete(result)
    return probe


def failed(user: User, code: ErrorCode, retry_after: float | None = None) -> Probe:
    probe = ask(user, ProbeKind.MEDIA, URL)
    probe.start("node/1/1")
    probe.fail(JobError(code, "It did not work.", retry_after=retry_after))
    return probe


@pytest.fixture(autouse=True)
def impatient(settings: Settings) -> None:
    settings.PROBE_WAIT_SECONDS = 0


# --- All alike --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_asks_a_worker_and_says_where_to_ask_again(api: Api, user: User, path: str) -> None:
    answer = api.get(path, {"url": URL})
    probe = Probe.objects.get()
    assert answer.status_code == 202
    assert answer["Location"] == f"/api/v1/probe/{probe.pk}"
    assert answer["Retry-After"] == "2"
    assert (probe.owner, probe.url, probe.kind) == (user, URL, "list" if path in LISTS else "media")
    body = answer.json()
    assert (body["probe_id"], body["status"], body["result"]) == (str(probe.pk), "queued", None)
    assert OrmQ.objects.filter(key="probe").count() == 1


@pytest.mark.parametrize("path", PATHS)
def test_asking_again_changes_nothing(api: Api, path: str) -> None:
    answers = [api.get(path, {"url": URL}).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert (Probe.objects.count(), OrmQ.objects.count()) == (1, 1)


@pytest.mark.parametrize("path", PATHS)
def test_is_for_those_who_may_read(anybody: Api, user: User, path: str) -> None:
    assert code_of(anybody.get(path, {"url": URL})) == (401, "not_authenticated")
    writer = Api(key_of(user, Scope.WRITE))
    assert code_of(writer.get(path, {"url": URL})) == (403, "insufficient_scope")
    assert not Probe.objects.exists()


def test_what_was_found_for_one_is_not_shown_to_another(user: User, stranger: Api) -> None:
    probe = found(user, MEDIA)
    assert stranger.get("/formats", {"url": URL}).status_code == 202
    assert code_of(stranger.get(f"/probe/{probe.pk}")) == (404, "not_found")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"url": ""},
        {"url": "ftp://example.com/"},
        {"url": "file:///etc/passwd"},
        {"url": "http://user@example.com/"},
        {"url": f"http://example.com/{'x' * 2048}"},
        {"url": URL, "cookies_id": "no-uuid"},
        {"url": URL, "cookies_id": "0199c4d2-6c1e-7b52-9a57-3f0d5ad9b0aa"},
        {"url": URL, "proxy": "http://example.com"},
        {"url": [URL, URL]},
    ],
)
def test_refuses_what_cannot_be_asked(api: Api, path: str, query: dict[str, Any]) -> None:
    assert code_of(api.get(path, query))[0] == 400
    assert not Probe.objects.exists()


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"page": "x"}, {"page": "9" * 19}, {"page_size": "0"}, {"page_size": "101"}]
)
def test_refuses_pages_that_cannot_be(api: Api, path: str, query: dict[str, str]) -> None:
    assert code_of(api.get(path, {"url": URL, **query})) == (400, "validation_failed")


@pytest.mark.parametrize(
    "query",
    [
        {"date_after": "2026-01-01"},
        {"date_after": "20260231"},
        {"date_after": "20260102", "date_before": "20260101"},
        {"min_duration": "-1"},
        {"min_duration": "2", "max_duration": "1"},
        {"min_views": "2", "max_views": "1"},
        {"sort_by": "likes"},
    ],
)
def test_refuses_filters_that_cannot_be(api: Api, query: dict[str, str]) -> None:
    assert code_of(api.get("/channel/info", {"url": URL, **query})) == (400, "validation_failed")


def test_refuses_sites_that_the_operator_does_not_allow(api: Api, settings: Settings) -> None:
    settings.ALLOWED_DOMAINS = ["example.org"]
    assert code_of(api.get("/formats", {"url": URL})) == (400, "domain_not_allowed")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.UNSUPPORTED_URL, 400),
        (ErrorCode.URL_BLOCKED, 400),
        (ErrorCode.NOT_FOUND, 404),
        (ErrorCode.RATE_LIMITED, 429),
        (ErrorCode.INTERNAL_ERROR, 500),
        (ErrorCode.ORIGIN_UNAVAILABLE, 502),
        (ErrorCode.LOGIN_REQUIRED, 502),
        (ErrorCode.WORKER_LOST, 503),
        (ErrorCode.TIMEOUT, 504),
    ],
)
def test_a_failure_has_the_code_of_a_job(api: Api, user: User, code: ErrorCode, status: int) -> None:
    failed(user, code)
    answer = api.get("/formats", {"url": URL})
    assert code_of(answer) == (status, str(code))
    assert answer.json()["detail"].startswith("It did not work. ")


def test_says_how_long_the_site_wants_to_be_left_alone(api: Api, user: User) -> None:
    failed(user, ErrorCode.RATE_LIMITED, retry_after=6.5)
    assert api.get("/formats", {"url": URL})["Retry-After"] == "7"


@pytest.mark.django_db(transaction=True)
def test_waits_for_an_answer(api: Api, user: User, settings: Settings) -> None:
    settings.PROBE_WAIT_SECONDS = 20

    def answer_later() -> None:
        time.sleep(0.3)
        try:
            found(user, MEDIA)
        finally:
            connection.close()

    worker = threading.Thread(target=answer_later)
    worker.start()
    answer = api.get("/formats", {"url": URL})
    worker.join()
    assert answer.status_code == 200


def test_holds_no_thread_where_a_layer_over_us_waits(api: Api, user: User, settings: Settings) -> None:
    settings.PROBE_WAIT_SECONDS = 20
    before: dict[str, Any] = {"mediadl.waited": False}
    answer = api.client.get("/api/v1/formats", {"url": URL}, **before)
    channel = answer["X-Accel-Events"]
    assert (channel, answer["X-Accel-Wait"]) == (probe_channel(Probe.objects.get().pk), "20")
    after: dict[str, Any] = {"mediadl.waited": True}
    assert api.client.get("/api/v1/formats", {"url": URL}, **after).status_code == 202

    source = Source()
    batch = source.snapshot(channel, None)
    assert batch.messages == []
    found(user, MEDIA)
    batch = source.poll(batch.cursor, frozenset([channel]))
    assert [message.channel for message in batch.messages] == [channel]
    assert [message.channel for message in source.snapshot(channel, None).messages] == [channel]


def test_an_answer_that_is_there_costs_few_queries(
    api: Api, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    found(user, MEDIA)
    api.get("/formats", {"url": URL})
    with django_assert_max_num_queries(6):
        assert api.get("/formats", {"url": URL}).status_code == 200


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/formats", "Formats"),
        ("/metadata", "PageMetadata"),
        ("/playlist/preview", "PlaylistPreview"),
        ("/channel/info", "ChannelInfo"),
    ],
)
def test_answers_as_the_description_says(api: Api, user: User, path: str, shape: str) -> None:
    document = json.loads((Path(django_settings.BASE_DIR) / "docs" / "openapi.json").read_text())

    def validate(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        Draft202012Validator(schema).validate(value)

    kind, result = (ProbeKind.LIST, listed(entry(1), entry(2))) if path in LISTS else (ProbeKind.MEDIA, MEDIA)
    validate("PageProbe", api.get(path, {"url": URL}).json())
    probe = found(user, result, kind)
    validate(shape, api.get(path, {"url": URL}).json())
    validate("PageProbe", api.get(f"/probe/{probe.pk}").json())


# --- Formats and metadata ---------------------------------------------------------------------------------------


def test_groups_formats_by_what_they_hold(api: Api, user: User) -> None:
    found(user, MEDIA)
    body = api.get("/formats", {"url": URL}).json()
    assert set(body) == set(describe_probes.FOUND_FORMATS)
    assert body["formats"] == {
        "combined": [],
        "video_only": [describe_probes.VIDEO],
        "audio_only": [describe_probes.AUDIO],
    }
    assert (body["url"], body["title"], body["recommended_format"]) == (URL, "A lecture on queues", "137+140")


def test_shows_metadata_of_the_same_look(api: Api, user: User) -> None:
    found(user, MEDIA)
    body = api.get("/metadata", {"url": URL}).json()
    assert set(body) == set(describe_probes.FOUND_METADATA)
    assert (body["title"], body["formats_available"]) == ("A lecture on queues", ["137", "140"])


def test_metadata_as_csv_has_one_row_that_runs_no_formula(api: Api, user: User) -> None:
    found(user, MEDIA)
    answer = api.get("/metadata", {"url": URL, "format": "csv"}, Accept="text/csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="metadata.csv"'
    (row,) = csv.DictReader(answer.content.decode().splitlines())
    assert list(row) == list(describe_probes.FOUND_METADATA)
    assert (row["description"], row["tags"], row["uploader_id"]) == ("'=1+1", "one; two", "faculty")
    assert row["subtitles"] == '{"en": [{"ext": "vtt", "name": null}]}'
    assert row["channel_id"] == ""


def test_knows_no_other_form_of_metadata(api: Api) -> None:
    assert code_of(api.get("/metadata", {"url": URL, "format": "xml"})) == (400, "validation_failed")


# --- Lists ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "numbers", "has_previous", "has_next"),
    [(1, [1, 2], False, True), (2, [3, 4], True, True), (3, [5], True, False), (4, [], True, False)],
)
def test_shows_a_list_page_by_page(
    api: Api, user: User, page: int, numbers: list[int], *, has_previous: bool, has_next: bool
) -> None:
    found(user, listed(*map(entry, range(1, 6))), ProbeKind.LIST)
    body = api.get("/playlist/preview", {"url": URL, "page": page, "page_size": 2}).json()
    assert [video["playlist_index"] for video in body["videos"]] == numbers
    assert (body["has_previous"], body["has_next"]) == (has_previous, has_next)
    assert (body["total_videos"], body["total_pages"], body["page"], body["page_size"]) == (5, 3, page, 2)
    assert set(body) == set(describe_probes.FOUND_PLAYLIST)


def test_an_empty_list_has_no_pages(api: Api, user: User) -> None:
    found(user, listed(), ProbeKind.LIST)
    body = api.get("/playlist/preview", {"url": URL}).json()
    assert (body["videos"], body["total_pages"], body["has_next"], body["has_previous"]) == ([], 0, False, False)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [1, 2, 3, 4]),
        ({"date_after": "20260102"}, [2, 3]),
        ({"date_before": "20260102"}, [1, 2]),
        ({"date_after": "20260102", "date_before": "20260102"}, [2]),
        ({"min_duration": 20}, [2, 3]),
        ({"max_duration": 20}, [1, 2]),
        ({"min_views": 200, "max_views": 200}, [2]),
        ({"sort_by": "upload_date"}, [3, 2, 1, 4]),
        ({"sort_by": "view_count"}, [1, 2, 3, 4]),
        ({"sort_by": "duration", "max_duration": 20}, [2, 1]),
        ({"sort_by": "title"}, [4, 3, 2, 1]),
    ],
)
def test_filters_and_sorts_a_channel(api: Api, user: User, query: dict[str, Any], numbers: list[int]) -> None:
    videos = [
        entry(n, title=title, upload_date=f"2026010{n}", duration=10 * n, view_count=400 - 100 * n)
        for n, title in enumerate(["d", "C", "b"], start=1)
    ]
    found(user, listed(*videos, entry(4, title="a")), ProbeKind.LIST)
    body = api.get("/channel/info", {"url": URL, **query}).json()
    assert [video["playlist_index"] for video in body["videos"]] == numbers
    assert body["filters_applied"] == query
    assert body["total_videos"] == len(numbers)
    assert (body["channel"]["video_count"], body["channel"]["subscriber_count"]) == (4, 7)
    assert set(body) == set(describe_probes.FOUND_CHANNEL)


def test_a_list_and_a_channel_share_one_look(api: Api, user: User) -> None:
    found(user, listed(entry(1)), ProbeKind.LIST)
    assert {api.get(path, {"url": URL}).status_code for path in LISTS} == {200}
    assert Probe.objects.count() == 1


# --- The probe --------------------------------------------------------------------------------------------------


def test_shows_how_far_a_look_is(api: Api, user: User) -> None:
    probe = ask(user, ProbeKind.MEDIA, URL)
    answer = api.get(f"/probe/{probe.pk}")
    assert (answer.status_code, answer.json()["status"], answer["Retry-After"]) == (200, "queued", "2")


def test_shows_what_a_look_has_found(api: Api, user: User) -> None:
    probe = found(user, MEDIA)
    answer = api.get(f"/probe/{probe.pk}", {"wait": 5})
    assert "Retry-After" not in answer
    assert answer.json()["result"] == {
        "formats": api.get("/formats", {"url": URL}).json(),
        "metadata": api.get("/metadata", {"url": URL}).json(),
    }


def test_shows_the_first_page_of_a_list(api: Api, user: User) -> None:
    probe = found(user, listed(entry(1)), ProbeKind.LIST)
    shown = api.get(f"/probe/{probe.pk}").json()["result"]
    assert shown == {"playlist": api.get("/playlist/preview", {"url": URL}).json()}


def test_shows_why_a_look_failed(api: Api, user: User) -> None:
    probe = failed(user, ErrorCode.TIMEOUT)
    body = api.get(f"/probe/{probe.pk}").json()
    assert (body["status"], body["error_code"], body["result"]) == ("failed", "timeout", None)
    assert (body["error"], bool(body["remedy"])) == ("It did not work.", True)


def test_a_probe_is_shown_to_those_who_may_read(anybody: Api, user: User) -> None:
    probe = ask(user, ProbeKind.MEDIA, URL)
    assert code_of(anybody.get(f"/probe/{probe.pk}")) == (401, "not_authenticated")


@pytest.mark.parametrize("path", [*PATHS, "/probe/0199c4d2-6c1e-7b52-9a57-3f0d5ad9b0aa"])
def test_takes_no_other_method(api: Api, path: str) -> None:
    assert code_of(api.post(path)) == (405, "method_not_allowed")


def test_a_probe_that_is_not_there_is_not_found(api: Api) -> None:
    assert code_of(api.get("/probe/0199c4d2-6c1e-7b52-9a57-3f0d5ad9b0aa")) == (404, "not_found")
    assert code_of(api.get("/probe/7")) == (404, "not_found")
