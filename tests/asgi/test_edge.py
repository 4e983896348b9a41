from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from mediadl.asgi.edge import SPOKEN, Edge
from mediadl.asgi.messages import Message, Receive, Scope, Send
from tests.asgi.driver import call

HEADERS = {"X-Accel-Token": "t", "x-accel-owner": "o", "X-ACCEL-REDIRECT": "/f", "X-Accel-Buffering": "no", "ETag": "e"}


async def chatty(_scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def edge(notes: list[str], **options: Any) -> Edge:
    async def end() -> None:
        notes.append("end")

    return Edge(chatty, on_stop=lambda: notes.append("stop"), on_end=end, **options)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, {"x-accel-buffering": "no", "etag": "e"}),
        (
            {"spoken": SPOKEN | {b"x-accel-redirect"}},
            {"x-accel-buffering": "no", "x-accel-redirect": "/f", "etag": "e"},
        ),
    ],
)
def test_only_what_is_meant_for_proxies_leaves(options: dict[str, Any], kept: dict[str, str]) -> None:
    assert asyncio.run(call(edge([], **options))).headers == kept


def test_websockets_are_closed() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(edge([])({"type": "websocket"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1000}]


class Server:
    """The lifespan of a server with handlers of its own, as uvicorn has."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        self.sent: list[str] = []
        self._messages: asyncio.Queue[Message] = asyncio.Queue()

    async def receive(self) -> Message:
        return await self._messages.get()

    async def send(self, message: Message) -> None:
        self.sent.append(message["type"])

    async def live(self, *numbers: signal.Signals) -> None:
        task = asyncio.create_task(edge(self.notes)({"type": "lifespan"}, self.receive, self.send))
        self._messages.put_nowait({"type": "lifespan.startup"})
        await asyncio.sleep(0.01)
        for number in numbers:
            signal.raise_signal(number)
            await asyncio.sleep(0.01)
        self.notes.append("shutdown")
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        await task


def test_startup_and_shutdown_are_answered() -> None:
    server = Server([])
    asyncio.run(server.live())
    assert server.sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert server.notes == ["shutdown", "stop", "end"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_hears_of_the_stop_before_the_server_waits_for_its_streams(number: signal.Signals) -> None:
    server = Server([])
    before = signal.signal(number, lambda *_: server.notes.append("the server's own"))
    try:
        asyncio.run(server.live(number))
        signal.raise_signal(number)
    finally:
        signal.signal(number, before)
    assert server.notes == ["the server's own", "stop", "shutdown", "stop", "end", "the server's own"]
