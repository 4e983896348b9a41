from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

pytestmark = pytest.mark.promise("S13")


def ok(request: HttpRequest) -> HttpResponse:
    return HttpResponse(structlog.contextvars.get_contextvars().get("request_id", ""))


def own_headers(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"Cache-Control": "max-age=60", "Permissions-Policy": "camera=(self)"})


def away(request: HttpRequest) -> HttpResponse:
    raise OperationalError('connection to server at "db.internal" failed: Connection refused')


def gone(request: HttpRequest) -> HttpResponse:
    raise InterfaceError("connection already closed")


def away_while_rendering(request: HttpRequest) -> HttpResponse:
    template = engines["django"].from_string("{{ rows }}")
    return TemplateResponse(request, template, {"rows": lambda: away(request)})


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a mistake of ours")


urlpatterns = [path(view.__name__, view) for view in (ok, own_headers)]
urlpatterns += [path(f"api/{view.__name__}", view) for view in (away, gone, away_while_rendering, broken)]
handler500 = "downloads.web.errors.server_error"


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    settings.ROOT_URLCONF = __name__
    yield Client(raise_request_exception=False)
    structlog.contextvars.clear_contextvars()


# --- Request ids ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["a1b2c3d4", "0192f0c1-7a5e-7cc3-98c4-dc0c0c07398f", "trace_1.span-2", "x" * 64])
def test_a_harmless_request_id_comes_back(client: Client, given: str) -> None:
    assert client.get("/ok", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given",
    [
        "",
        "short",
        "x" * 65,
        "two words here",
        "line\nbreak-here",
        "<script>alert(1)</script>",
        "ключ-запроса",
        "a" * 9 + "\n",
    ],
)
def test_any_other_request_id_is_replaced(client: Client, given: str) -> None:
    answered = client.get("/ok", HTTP_X_REQUEST_ID=given)["X-Request-ID"]
    assert answered != given
    assert uuid.UUID(answered).version == 7


def test_two_requests_have_two_ids(client: Client) -> None:
    assert client.get("/ok")["X-Request-ID"] != client.get("/ok")["X-Request-ID"]


def test_the_log_of_a_request_carries_its_id_and_that_of_the_next_does_not(client: Client) -> None:
    response = client.get("/ok", headers={"X-Request-ID": "the-first-one"})
    assert response.content == b"the-first-one"
    assert structlog.contextvars.get_contextvars() == {}


def test_an_error_page_has_a_request_id(client: Client) -> None:
    response = client.get("/api/broken", headers={"X-Request-ID": "of-a-failure"})
    assert (response.status_code, response["X-Request-ID"]) == (500, "of-a-failure")


# --- Headers ----------------------------------------------------------------------------------------------------


def test_answers_are_private_and_say_so_in_their_headers(client: Client) -> None:
    headers = client.get("/ok").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-XSS-Protection"] == "0"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_pages_run_scripts_and_styles_of_this_server_alone(client: Client) -> None:
    policy = client.get("/ok")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_view_may_choose_its_own(client: Client) -> None:
    headers = client.get("/own_headers").headers
    assert headers["Cache-Control"] == "max-age=60"
    assert headers["Permissions-Policy"] == "camera=(self)"


# --- The database is away ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["away", "gone", "away_while_rendering"])
def test_a_database_that_is_away_is_a_503_that_says_when_to_come_back(client: Client, view: str) -> None:
    response = client.get(f"/api/{view}")
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response["Content-Type"] == "application/problem+json"


def test_the_503_is_a_problem_that_tells_nothing_of_the_inside(client: Client) -> None:
    response = client.get("/api/away", headers={"X-Request-ID": "asked-for-this"})
    problem = json.loads(response.content)
    assert problem["code"] == problem["error"]["code"] == "database_unavailable"
    assert problem["status"] == 503
    assert problem["request_id"] == problem["error"]["request_id"] == response["X-Request-ID"] == "asked-for-this"
    assert "db.internal" not in response.text


def test_the_503_has_the_headers_of_every_answer(client: Client) -> None:
    headers = client.get("/api/away").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"


def test_other_errors_stay_what_they_are(client: Client) -> None:
    assert client.get("/api/broken").status_code == 500


def test_a_middleware_that_cannot_reach_the_database_is_a_503_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("django.contrib.sessions.middleware.SessionMiddleware.process_response", cannot)
    assert client.get("/api/away").status_code == 503
