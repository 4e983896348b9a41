from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.asgi.driver import Answer, Call, ask, call
from tests.asgi.views import BuildBridge, Echo, Environ, Stream


def test_a_stream_is_sent_in_its_parts_and_closed_once(bridge: BuildBridge) -> None:
    stream = Stream([b"a", b"", b"b", b"c"])
    answer = ask(bridge(stream))
    assert (answer.body, answer.is_complete) == (b"abc", True)
    assert stream.closed.is_set()


def test_a_stream_may_be_empty(bridge: BuildBridge) -> None:
    answer = ask(bridge(Stream()))
    assert (answer.status, answer.body, answer.is_complete) == (200, b"", True)


def test_an_application_may_be_a_generator_that_starts_late(bridge: BuildBridge) -> None:
    def application(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        write = start_response("201 Created", [])
        write(b"written, ")
        yield b"then made"

    answer = ask(bridge(application))
    assert (answer.status, answer.body) == (201, b"written, then made")


def test_files_are_stepped_through_in_large_parts(bridge: BuildBridge, tmp_path: Any) -> None:
    (tmp_path / "style.css").write_bytes(b"x" * 1_000_000)

    def application(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"]((tmp_path / "style.css").open("rb"), 4096)

    async def count() -> tuple[int, int]:
        client = Call(bridge(application))
        answer = await client.run()
        return len(answer.body), client.sent

    assert asyncio.run(count()) == (1_000_000, 1 + 4 + 1)


def test_an_error_within_a_stream_cuts_the_answer_off(bridge: BuildBridge) -> None:
    stream = Stream([b"a"], error=LookupError("late"))

    async def fail() -> Call:
        client = Call(bridge(stream))
        with pytest.raises(LookupError, match="late"):
            await client.run()
        return client

    client = asyncio.run(fail())
    assert (client.answer.body, client.answer.is_complete, client.is_aborted) == (b"a", False, True)
    assert stream.closed.is_set()


def test_no_second_head_can_follow_the_first(bridge: BuildBridge) -> None:
    def application(_environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        start_response("500 Internal Server Error", [], (ValueError, ValueError("too late"), None))

    with pytest.raises(ValueError, match="too late"):
        ask(bridge(application))


def test_a_server_that_tells_of_a_lost_connection_ends_the_stream(bridge: BuildBridge) -> None:
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


def test_a_slow_reader_of_a_stream_holds_no_thread(bridge: BuildBridge) -> None:
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
def test_a_stream_is_closed_when_its_client_is_gone(bridge: BuildBridge, how: str) -> None:
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


def test_a_client_that_leaves_while_the_application_works_leaves_nothing_behind(bridge: BuildBridge) -> None:
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


def test_a_cancelled_request_closes_what_its_thread_still_makes(bridge: BuildBridge) -> None:
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
