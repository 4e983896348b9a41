"""GET /files/{id}: who may have the bytes, and under which headers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Scope, User
from downloads import files, storage
from downloads.models import Job, JobEvent, MediaFile
from tests.api.conftest import Api, code_of, key_of
from tests.factories import JobFactory, row

pytestmark = [pytest.mark.promise("S6"), pytest.mark.django_db]

Stored = Callable[..., MediaFile]


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("name", ["", "/clip.mp4", "/another%20name.mp4"])
def test_hands_the_bytes_to_the_layer_that_sends_them(
    api: Api, user: User, stored: Stored, method: str, name: str
) -> None:
    file = stored()
    answer = getattr(api, method)(f"/files/{file.pk}{name}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["X-Accel-Redirect"] == f"/_protected/{file.storage_key}"
    assert answer["X-Accel-Owner"] == str(user.pk)
    assert "X-Accel-Token" not in answer
    assert answer["ETag"] == file.etag
    assert answer["Last-Modified"].endswith("GMT")
    assert answer["Content-Type"] == "video/mp4"
    assert answer["Cache-Control"] == "private, no-cache"


def test_is_inert_and_an_attachment(api: Api, stored: Stored) -> None:
    answer = api.get(f"/files/{stored().pk}")
    assert answer["Content-Disposition"] == "attachment; filename=\"clip.mp4\"; filename*=UTF-8''clip.mp4"
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("mime_type", ["video/mp4", "audio/mpeg", "image/png"])
def test_media_may_be_shown_in_place(api: Api, stored: Stored, mime_type: str) -> None:
    answer = api.get(f"/files/{stored(mime_type=mime_type).pk}?inline=1")
    assert answer["Content-Disposition"].startswith("inline;")
    assert answer["Content-Type"] == mime_type
    assert "sandbox" not in answer["Content-Security-Policy"]
    assert "script" not in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("mime_type", "shown"),
    [
        ("text/html", "application/octet-stream"),
        ("image/svg+xml", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("text/vtt", "text/vtt"),
        ("application/json", "application/json"),
    ],
)
def test_nothing_else_is_shown_in_place(api: Api, stored: Stored, mime_type: str, shown: str) -> None:
    answer = api.get(f"/files/{stored(mime_type=mime_type).pk}?inline=1")
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["Content-Type"] == shown
    assert answer["Content-Security-Policy"].startswith("sandbox;")


@pytest.mark.parametrize(
    ("filename", "plain", "full"),
    [
        ("a b.mp4", "a b.mp4", "a b.mp4"),
        ("Łódź é.mp4", "odz e.mp4", "Łódź é.mp4"),
        ("講義.mp4", "download.mp4", "講義.mp4"),
        ('quote".mp4', "quote_.mp4", "quote_.mp4"),
        ("x/../../etc/passwd", "x_.._.._etc_passwd", "x_.._.._etc_passwd"),
        ("a\r\nSet-Cookie: x=1.mp4", "aSet-Cookie_ x=1.mp4", "aSet-Cookie_ x=1.mp4"),
        ("50%41.mp4", "50_41.mp4", "50_41.mp4"),
        ("gpj\u202e.exe", "gpj.exe", "gpj.exe"),
        ("...", "download", "download"),
        ("x" * 300 + ".mp4", "x" * 176 + ".mp4", "x" * 176 + ".mp4"),
        ("語" * 100 + ".mp4", "download.mp4", "語" * 58 + ".mp4"),
    ],
)
def test_names_a_file_in_both_forms(filename: str, plain: str, full: str) -> None:
    kind, first, second = files.disposition(filename).split("; ")
    assert (kind, first) == ("attachment", f'filename="{plain}"')
    assert unquote(second.removeprefix("filename*=UTF-8''")) == full
    assert files.disposition(filename).isascii()


def test_somebody_elses_file_is_not_there(stranger: Api, operator: Api, stored: Stored) -> None:
    file = stored()
    for other in (stranger, operator):
        assert code_of(other.get(f"/files/{file.pk}")) == (404, "not_found")
        assert code_of(other.get(f"/files/{file.pk}/clip.mp4")) == (404, "not_found")
    assert code_of(stranger.get(f"/files/{uuid.uuid4()}")) == (404, "not_found")


def test_needs_a_key_that_may_read(anybody: Api, user: User, stored: Stored) -> None:
    file = stored()
    assert code_of(anybody.get(f"/files/{file.pk}")) == (401, "not_authenticated")
    assert code_of(Api(key_of(user, Scope.WRITE)).get(f"/files/{file.pk}")) == (403, "insufficient_scope")


def test_a_session_needs_no_key(client: Client, user: User, stored: Stored) -> None:
    client.force_login(user)
    assert client.get(f"/api/v1/files/{stored().pk}?inline=1").status_code == 200


def test_a_deleted_file_is_gone_and_that_is_said(api: Api, stored: Stored) -> None:
    file = stored()
    MediaFile.objects.mark_deleted()
    answer = api.get(f"/files/{file.pk}")
    assert code_of(answer) == (410, "file_expired")
    assert "X-Accel-Redirect" not in answer


@pytest.mark.parametrize("query", ["inline=2", "inline=true", "download=1", "inline=1&inline=1"])
def test_refuses_queries_that_make_no_sense(api: Api, stored: Stored, query: str) -> None:
    assert code_of(api.client.get(f"/api/v1/files/{stored().pk}?{query}"))[0] == 400


@pytest.mark.parametrize("accept", ["video/*", "text/html,*/*;q=0.8", "image/png", "nonsense"])
def test_is_sent_whatever_is_accepted(api: Api, stored: Stored, accept: str) -> None:
    assert api.get(f"/files/{stored().pk}", Accept=accept).status_code == 200


def test_a_file_cannot_be_changed(api: Api, stored: Stored) -> None:
    assert code_of(api.delete(f"/files/{stored().pk}")) == (405, "method_not_allowed")


# --- Deleting after the download ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_to_be_fetched_once_goes_when_it_has_been(api: Api, user: User, stored: Stored) -> None:
    job = JobFactory(owner=user, finished=True, options={"delete_after_download": True})
    file, other = stored(job), stored(job, is_main=False)
    token = api.get(f"/files/{file.pk}")["X-Accel-Token"]
    files.sent(token)
    assert [key for key, _ in storage.stored_sizes()] == [other.storage_key]
    assert row(MediaFile, file.pk).deleted_at is not None
    assert row(Job, job.pk).version == job.version + 1
    assert code_of(api.get(f"/files/{file.pk}")) == (410, "file_expired")
    files.sent(token)
    assert [event.kind for event in JobEvent.objects.all()] == ["fetched"]


def test_a_file_that_is_not_to_be_fetched_once_stays(stored: Stored) -> None:
    file = stored()
    files.sent(str(uuid.uuid4()))
    files.sent(str(file.pk))
    assert row(MediaFile, file.pk).deleted_at is None


# --- For scripts of other sites -----------------------------------------------------------------------------------


def test_a_script_of_an_allowed_site_can_read_what_it_needs_to_go_on(
    api: Api, stored: Stored, settings: Settings
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    path = f"/files/{stored().pk}"
    answer = api.get(path, Origin="https://app.example")
    assert answer["Access-Control-Allow-Origin"] == "https://app.example"
    exposed = {name.strip() for name in answer["Access-Control-Expose-Headers"].split(",")}
    assert {"accept-ranges", "content-disposition", "content-range", "etag", "retry-after"} <= exposed
    wanted = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range,if-range,x-api-key"}
    asked = api.client.options(f"/api/v1{path}", headers={"Origin": "https://app.example", **wanted})
    allowed = {name.strip() for name in asked["Access-Control-Allow-Headers"].split(",")}
    assert {"range", "if-range", "x-api-key"} <= allowed


def test_a_script_of_another_site_can_read_nothing(api: Api, stored: Stored, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    answer = api.get(f"/files/{stored().pk}", Origin="https://other.example")
    assert "Access-Control-Allow-Origin" not in answer
