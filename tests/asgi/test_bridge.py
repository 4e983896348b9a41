from __future__ import annotations

import asyncio
import contextvars
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from mediadl.asgi.bridge import Bridge
from mediadl.asgi.exchange import WSGIApplication
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, Call, call

Environ = dict[str, Any]


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2, name="test-request")
    yield threads
    threads.close()


@pytest.fixture
def bridge(threads: Threads) -> Callable[..., Bridge]:
    def bridge(application: WSGIApplication, **options: Any) -> Bridge:
        return Bridge(application, threads=threads, **options)

    return bridge


class Echo:
    """Keeps the environ, and answers with the body it was sent."""

    def __init__(self) -> None:
        self.environ: Environ = {}
        self.calls = 0

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        self.calls += 1
        self.environ = environ
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Twice", "1"), ("X-Twice", "2")])
        return [body]


class Stream:
    """A streamed answer that notes which parts were made, and when it was closed."""

    def __init__(self, parts: Iterable[bytes] = (), *, error: Exception | None = None) -> None:
        self.parts = list(parts)
        self.error = error
        self.made = 0
        self.closed = threading.Event()
        self.threads: set[int] = set()

    def __call__(self, _environ: Environ, start_response: Any) -> Stream:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            self.made += 1
            self.threads.add(threading.get_ident())
            yield part
        if self.error:
            raise self.error

    def close(self) -> None:
        assert not self.closed.is_set()
        self.closed.set()


Build = Callable[..., Bridge]


def ask(bridge: Bridge, path: str = "/", **options: Any) -> Answer:
    return asyncio.run(call(bridge, path, **options))


def test_gives_the_application_the_environ_of_pep_3333(bridge: Build) -> None:
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


def test_a_mount_point_is_the_script_name(bridge: Build) -> None:
    echo = Echo()
    ask(bridge(echo), "/mount/jobs", root_path="/mount")
    assert (echo.environ["SCRIPT_NAME"], echo.environ["PATH_INFO"]) == ("/mount", "/jobs")


def test_servers_on_a_unix_socket_and_without_a_client_are_served(bridge: Build) -> None:
    echo = Echo()
    ask(bridge(echo), server=("/run/web.sock", None), client=None)
    assert (echo.environ["SERVER_NAME"], echo.environ["REMOTE_ADDR"]) == ("/run/web.sock", "")


def test_headers_with_underscores_cannot_pass_for_others(bridge: Build) -> None:
    echo = Echo()
    ask(
        bridge(echo), headers=[("X_Forwarded_For", "1.2.3.4"), ("X-Forwarded-For", "5.6.7.8"), ("X_Real-IP", "1.2.3.4")]
    )
    assert echo.environ["HTTP_X_FORWARDED_FOR"] == "5.6.7.8"
    assert "HTTP_X_REAL_IP" not in echo.environ


def test_a_body_without_a_length_gets_one(bridge: Build) -> None:
    echo = Echo()
    answer = ask(bridge(echo), method="POST", headers=[("Transfer-Encoding", "chunked")], body=[b"a" * 10, b"b" * 10])
    assert answer.body == b"a" * 10 + b"b" * 10
    assert echo.environ["CONTENT_LENGTH"] == "20"
    assert "HTTP_TRANSFER_ENCODING" not in echo.environ


def test_a_large_body_goes_through_a_file(bridge: Build) -> None:
    seen: list[bool] = []

    def application(environ: Environ, start_response: Any) -> list[bytes]:
        seen.append(environ["wsgi.input"]._rolled)
        start_response("200 OK", [])
        return [b"%d" % len(environ["wsgi.input"].read())]

    answer = ask(bridge(application), method="POST", body=[b"x" * 65536] * 32)
    assert (answer.body, seen) == (b"2097152", [True])


@pytest.mark.parametrize("headers", [[("Content-Length", "101")], [("Transfer-Encoding", "chunked")]])
def test_a_body_beyond_the_bound_is_refused_before_the_application(
    bridge: Build, headers: list[tuple[str, str]]
) -> None:
    echo = Echo()
    answer = ask(bridge(echo, max_body_bytes=100), method="POST", headers=headers, body=[b"x" * 60] * 2)
    assert (answer.status, json.loads(answer.body)["code"]) == (413, "body_too_large")
    assert answer.headers["connection"] == "close"
    assert echo.calls == 0


def test_a_client_that_leaves_during_its_upload_never_reaches_the_application(bridge: Build) -> None:
    echo = Echo()

    async def leave() -> Answer:
        client = Call(bridge(echo), method="POST", body=[b"half"], is_body_whole=False)
        task = client.start()
        await asyncio.sleep(0.01)
        client.leave()
        return await asyncio.wait_for(task, 2)

    assert asyncio.run(leave()).status == 0
    assert echo.calls == 0


def test_an_upload_that_stalls_is_ended_and_holds_no_thread(bridge: Build) -> None:
    echo = Echo()
    answer = ask(bridge(echo, body_timeout=0.05), method="POST", body=[b"half"], is_body_whole=False)
    assert (answer.status, answer.headers["connection"], echo.calls) == (408, "close", 0)


def test_a_stream_is_sent_in_its_parts_and_closed_once(bridge: Build) -> None:
    stream = Stream([b"a", b"", b"b", b"c"])
    answer = ask(bridge(stream))
    assert (answer.body, answer.is_complete) == (b"abc", True)
    assert stream.closed.is_set()


def test_a_stream_may_be_empty(bridge: Build) -> None:
    answer = ask(bridge(Stream()))
    assert (answer.status, answer.body, answer.is_complete) == (200, b"", True)


def test_an_application_may_be_a_generator_that_starts_late(bridge: Build) -> None:
    def application(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        write = start_response("201 Created", [])
        write(b"written, ")
        yield b"then made"

    answer = ask(bridge(application))
    assert (answer.status, answer.body) == (201, b"written, then made")


def test_files_are_stepped_through_in_large_parts(bridge: Build, tmp_path: Any) -> None:
    (tmp_path / "style.css").write_bytes(b"x" * 1_000_000)

    def application(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"]((tmp_path / "style.css").open("rb"), 4096)

    async def count() -> tuple[int, int]:
        client = Call(bridge(application))
        answer = await client.run()
        return len(answer.body), client.sent

    assert asyncio.run(count()) == (1_000_000, 1 + 4 + 1)


def test_head_is_answered_without_a_body_and_makes_none(bridge: Build) -> None:
    stream = Stream([b"a", b"b"])
    answer = ask(bridge(stream), method="HEAD")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/plain", b"")
    assert (stream.made, stream.closed.is_set()) == (1, True)


def test_an_error_before_the_head_is_left_to_the_server(bridge: Build) -> None:
    def application(_environ: Environ, _start_response: Any) -> list[bytes]:
        raise LookupError("early")

    async def fail() -> Call:
        client = Call(bridge(application))
        with pytest.raises(LookupError, match="early"):
            await client.run()
        return client

    assert asyncio.run(fail()).answer.status == 0


def test_an_error_within_a_stream_cuts_the_answer_off(bridge: Build) -> None:
    stream = Stream([b"a"], error=LookupError("late"))

    async def fail() -> Call:
        client = Call(bridge(stream))
        with pytest.raises(LookupError, match="late"):
            await client.run()
        return client

    client = asyncio.run(fail())
    assert (client.answer.body, client.answer.is_complete, client.is_aborted) == (b"a", False, True)
    assert stream.closed.is_set()


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), StopIteration()])
def test_no_error_of_the_application_can_end_the_server(bridge: Build, error: BaseException) -> None:
    def application(_environ: Environ, _start_response: Any) -> list[bytes]:
        raise error

    with pytest.raises(RuntimeError, match=type(error).__name__):
        ask(bridge(application))


def test_an_answer_may_be_replaced_until_its_head_is_sent(bridge: Build) -> None:
    def application(_environ: Environ, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        error = ValueError("too late")
        start_response("500 Internal Server Error", [], (ValueError, error, None))
        return [b"sorry"]

    assert ask(bridge(application)).status == 500


def test_no_second_head_can_follow_the_first(bridge: Build) -> None:
    def application(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        start_response("500 Internal Server Error", [], (ValueError, ValueError("too late"), None))

    with pytest.raises(ValueError, match="too late"):
        ask(bridge(application))


def test_a_server_that_tells_of_a_lost_connection_ends_the_stream(bridge: Build) -> None:
    stream = Stream([b"x"] * 100)

    async def lose() -> None:
        client = Call(bridge(stream))
        send = client._send

        async def send_once(message: Any) -> None:
            if client.sent:
                raise ConnectionResetError
            await send(message)

        client._send = send_once  # type: ignore[method-assign]
        await asyncio.wait_for(client.run(), 2)

    asyncio.run(lose())
    assert stream.closed.is_set()
    assert stream.made < 10


def test_a_slow_reader_of_a_stream_holds_no_thread(bridge: Build) -> None:
    stream, echo = Stream([b"x"] * 100), Echo()

    def application(environ: Environ, start_response: Any) -> Any:
        return (stream if environ["PATH_INFO"] == "/stream" else echo)(environ, start_response)

    async def stall() -> Answer:
        shared = bridge(application)
        clients = [Call(shared, "/stream", stall=3) for _ in range(10)]
        tasks = [client.start() for client in clients]
        for client in clients:
            await client.until(b"xx")
        answer = await asyncio.wait_for(call(shared), 2)
        for client, task in zip(clients, tasks, strict=True):
            client.leave()
            await asyncio.wait_for(task, 2)
        return answer

    stream.close = lambda: None  # type: ignore[method-assign]  # ten answers share it
    assert asyncio.run(stall()).status == 200


@pytest.mark.parametrize("how", ["leave", "stall", "cancel"])
def test_a_stream_is_closed_when_its_client_is_gone(bridge: Build, how: str) -> None:
    stream = Stream([b"x"] * 100)

    async def go() -> None:
        client = Call(bridge(stream, send_timeout=0.1 if how == "stall" else 5.0), stall=3)
        task = client.start()
        await client.until(b"xx")
        if how == "leave":
            client.leave()
        if how == "cancel":
            task.cancel()
        await asyncio.wait([task], timeout=2)
        assert task.done()
        assert client.is_aborted == (how != "leave")

    asyncio.run(go())
    assert stream.closed.wait(2)
    assert stream.made < 10


def test_a_client_that_leaves_while_the_application_works_leaves_nothing_behind(bridge: Build) -> None:
    release, stream = threading.Event(), Stream([b"x"] * 5)

    def application(environ: Environ, start_response: Any) -> Stream:
        release.wait(5)
        return stream(environ, start_response)

    async def leave() -> Answer:
        client = Call(bridge(application))
        task = client.start()
        await asyncio.sleep(0.02)
        client.leave()
        release.set()
        return await asyncio.wait_for(task, 2)

    assert asyncio.run(leave()).body == b""
    assert stream.closed.wait(2)


def test_a_cancelled_request_closes_what_its_thread_still_makes(bridge: Build) -> None:
    release, stream = threading.Event(), Stream([b"x"] * 5)

    def application(environ: Environ, start_response: Any) -> Stream:
        release.wait(5)
        return stream(environ, start_response)

    async def cancel() -> None:
        task = Call(bridge(application)).start()
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.sleep(0.02)
        release.set()
        await asyncio.wait([task], timeout=2)

    asyncio.run(cancel())
    assert stream.closed.wait(2)


def test_requests_share_a_few_threads_that_stay(bridge: Build) -> None:
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
