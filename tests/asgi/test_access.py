"""The access log: what was answered, and nothing about who asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from mediadl.asgi.access import Access
from mediadl.asgi.messages import Message, Receive, Scope, Send
from tests.asgi.driver import Call, ask

FILE = "/api/v1/files/01a22ba1-9120-77a8-a060-ee7dd8dac053/"
BODY = {"type": "http.response.body", "body": b"ab"}


def start(status: int) -> Message:
    return {"type": "http.response.start", "status": status, "headers": [(b"X-Request-ID", b"r-1")]}


def answering(status: int = 200) -> Access:
    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start(status))
        await send(BODY | {"more_body": True})
        await send(BODY)

    return Access(application)


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as found:
        yield found


def test_tells_what_was_answered_and_not_who_asked(lines: list[Any]) -> None:
    ask(answering(201), "/library", method="POST", query_string=b"q=secret", headers=[("Cookie", "sessionid=secret")])
    (line,) = lines
    assert isinstance(line.pop("ms"), int)
    told = {"event": "request", "method": "POST", "path": "/library", "status": 201, "bytes": 4, "complete": True}
    assert line == told | {"request_id": "r-1", "log_level": "info"}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"{FILE}A%20walk.mp4", f"{FILE}..."),
        ("/s/token/A%20walk.mp4", "/s/..."),
        ("/accounts/sign-in/link/token/", "/accounts/sign-in/link/..."),
        ("/a%0Ab", "/a%0Ab"),
        ("/" + "x" * 1000, "/" + "x" * 299),
    ],
)
def test_leaves_titles_and_secrets_out_and_stays_one_line(lines: list[Any], path: str, shown: str) -> None:
    ask(answering(), path)
    assert [line["path"] for line in lines] == [shown]


@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/health/live", "/api/v1/metrics", "/static/css/base.css"])
def test_what_machines_ask_for_is_told_when_it_fails(lines: list[Any], path: str) -> None:
    ask(answering(), path)
    assert lines == []
    ask(answering(503), path)
    assert [(line["path"], line["status"]) for line in lines] == [(path, 503)]


def test_tells_of_an_answer_that_was_broken_off(lines: list[Any]) -> None:
    async def endless(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start(200))
        await send(BODY | {"more_body": True})
        await asyncio.Event().wait()

    async def leave() -> None:
        request = Call(Access(endless), "/events")
        task = request.start()
        await request.until(b"ab")
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert [(line["status"], line["bytes"], line["complete"]) for line in lines] == [(200, 2, False)]


def test_tells_of_a_failure_before_any_answer(lines: list[Any]) -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        ask(Access(broken), "/library")
    assert [(line["path"], line["status"], line["complete"]) for line in lines] == [("/library", None, False)]
