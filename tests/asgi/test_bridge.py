from __future__ import annotations

import asyncio
import contextvars
import json
import threading
import time
from typing import Any

import pytest

from mediadl.asgi.bridge import Bridge
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, Call, ask, call
from tests.asgi.views import BuildBridge, Echo, Environ, Stream


def test_gives_the_application_the_environ_of_pep_3333(bridge: BuildBridge) -> None:
    echo = Echo()
    headers = [
        ("Host", "media.test"),
        ("X-Request-ID", "r-1"),
        ("Content-Type", "a/b"),
        ("Accept", "a"),
        ("Accept", "b"),
    ]
    answer = ask(
        bridge(echo),
        "/caf%C3%A9/%ff",
        method="POST",
        headers=[*headers, ("Cookie", "a=1"), ("Cookie", "b=2")],
        body=[b"he", b"llo"],
        query_string=b"q=\xff&a=%20",
        scheme="https",
    )
    assert (answer.status, answer.body, answer.headers["x-twice"]) == (200, b"hello", "2")
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/cafÃ©/ÿ",
        "QUERY_STRING": "q=ÿ&a=%20",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "CONTENT_TYPE": "a/b",
        "CONTENT_LENGTH": "5",
        "HTTP_HOST": "media.test",
        "HTTP_X_REQUEST_ID": "r-1",
        "HTTP_ACCEPT": "a,b",
        "HTTP_COOKIE": "a=1; b=2",
        "wsgi.url_scheme": "https",
    }
    assert {key: echo.environ[key] for key in expected} == expected


def test_a_mount_point_is_the_script_name(bridge: BuildBridge) -> None:
    echo = Echo()
    ask(bridge(echo), "/mount/jobs", root_path="/mount")
    assert (echo.environ["SCRIPT_NAME"], echo.environ["PATH_INFO"]) == ("/mount", "/jobs")


def test_servers_on_a_unix_socket_and_without_a_client_are_served(bridge: BuildBridge) -> None:
    echo = Echo()
    ask(bridge(echo), server=("/run/web.sock", None), client=None)
    assert (echo.environ["SERVER_NAME"], echo.environ["REMOTE_ADDR"]) == ("/run/web.sock", "")


def test_headers_with_underscores_cannot_pass_for_others(bridge: BuildBridge) -> None:
    echo = Echo()
    ask(
        bridge(echo), headers=[("X_Forwarded_For", "1.2.3.4"), ("X-Forwarded-For", "5.6.7.8"), ("X_Real-IP", "1.2.3.4")]
    )
    assert echo.environ["HTTP_X_FORWARDED_FOR"] == "5.6.7.8"
    assert "HTTP_X_REAL_IP" not in echo.environ


def test_a_body_without_a_length_gets_one(bridge: BuildBridge) -> None:
    echo = Echo()
    answer = ask(bridge(echo), method="POST", headers=[("Transfer-Encoding", "chunked")], body=[b"a" * 10, b"b" * 10])
    assert answer.body == b"a" * 10 + b"b" * 10
    assert echo.environ["CONTENT_LENGTH"] == "20"
    assert "HTTP_TRANSFER_ENCODING" not in echo.environ


def test_a_large_body_goes_through_a_file(bridge: BuildBridge) -> None:
    seen: list[bool] = []

    def application(environ: Environ, start_response: Any) -> list[bytes]:
        seen.append(environ["wsgi.input"]._rolled)
        start_response("200 OK", [])
        return [b"%d" % len(environ["wsgi.input"].read())]

    answer = ask(bridge(application), method="POST", body=[b"x" * 65536] * 32)
    assert (answer.body, seen) == (b"2097152", [True])


@pytest.mark.parametrize("headers", [[("Content-Length", "101")], [("Transfer-Encoding", "chunked")]])
def test_a_body_beyond_the_bound_is_refused_before_the_application(
    bridge: BuildBridge, headers: list[tuple[str, str]]
) -> None:
    echo = Echo()
    answer = ask(bridge(echo, max_body_bytes=100), method="POST", headers=headers, body=[b"x" * 60] * 2)
    assert (answer.status, json.loads(answer.body)["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"
    assert (answer.headers["x-frame-options"], answer.headers["cache-control"]) == ("DENY", "no-store")
    assert answer.headers["x-request-id"] == json.loads(answer.body)["request_id"] != ""
    assert echo.calls == 0


def test_a_client_that_leaves_during_its_upload_never_reaches_the_application(bridge: BuildBridge) -> None:
    echo = Echo()

    async def leave() -> Answer:
        client = Call(bridge(echo), method="POST", body=[b"half"], is_body_whole=False)
        task = client.start()
        await asyncio.sleep(0.01)
        client.leave()
        return await asyncio.wait_for(task, 2)

    assert asyncio.run(leave()).status == 0
    assert echo.calls == 0


def test_an_upload_that_stalls_is_ended_and_holds_no_thread(bridge: BuildBridge) -> None:
    echo = Echo()
    answer = ask(bridge(echo, body_timeout=0.05), method="POST", body=[b"half"], is_body_whole=False)
    assert (answer.status, answer.headers["connection"], echo.calls) == (408, "close", 0)


def test_head_is_answered_without_a_body_and_makes_none(bridge: BuildBridge) -> None:
    stream = Stream([b"a", b"b"])
    answer = ask(bridge(stream), method="HEAD")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain", b"")
    assert (stream.made, stream.closed.is_set()) == (1, True)


def test_an_error_before_the_head_is_left_to_the_server(bridge: BuildBridge) -> None:
    def application(_environ: Environ, _start_response: Any) -> list[bytes]:
        raise LookupError("early")

    async def fail() -> Call:
        client = Call(bridge(application))
        with pytest.raises(LookupError, match="early"):
            await client.run()
        return client

    assert asyncio.run(fail()).answer.status == 0


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), StopIteration()])
def test_no_error_of_the_application_can_end_the_server(bridge: BuildBridge, error: BaseException) -> None:
    def application(_environ: Environ, _start_response: Any) -> list[bytes]:
        raise error

    with pytest.raises(RuntimeError, match=type(error).__name__):
        ask(bridge(application))


def test_an_answer_may_be_replaced_until_its_head_is_sent(bridge: BuildBridge) -> None:
    def application(_environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        error = ValueError("too late")
        start_response("500 Internal Server Error", [], (ValueError, error, None))
        return [b"sorry"]

    assert ask(bridge(application)).status == 500


def test_requests_share_a_few_threads_that_stay(bridge: BuildBridge) -> None:
    """Django's connections live in them."""
    seen: set[int] = set()

    def application(_environ: Environ, start_response: Any) -> list[bytes]:
        seen.add(threading.get_ident())
        time.sleep(0.002)
        start_response("200 OK", [])
        return [b""]

    async def crowd() -> None:
        shared = bridge(application)
        await asyncio.gather(*(call(shared) for _ in range(50)))

    asyncio.run(crowd())
    assert len(seen) == 2


def test_a_thread_keeps_its_context_from_one_request_to_the_next(threads: Threads) -> None:
    """Django's cache clients live there: in a copied context each request would connect to Redis anew."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    values: list[int] = []

    def application(_environ: Environ, start_response: Any) -> list[bytes]:
        variable.set(variable.get() + 1)
        values.append(variable.get())
        start_response("200 OK", [])
        return [b""]

    single = Threads(1, name="test-single")

    async def twice() -> None:
        for _ in range(2):
            await call(Bridge(application, threads=single))

    asyncio.run(twice())
    single.close()
    assert values == [1, 2]


def test_a_request_that_is_cancelled_while_it_waits_for_a_thread_is_dropped() -> None:
    single, release, echo = Threads(1, name="test-single"), threading.Event(), Echo()

    async def wait_behind() -> None:
        first = asyncio.create_task(single.run(release.wait, 5))
        await asyncio.sleep(0)
        second = Call(Bridge(echo, threads=single)).start()
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.sleep(0.01)
        release.set()
        await first
        await single.run(lambda: None)

    asyncio.run(wait_behind())
    single.close()
    assert echo.calls == 0
