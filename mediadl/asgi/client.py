"""The other end of a long answer: whether it is still there, and sending to it within a time."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from mediadl.asgi.messages import Receive, Scope, Send

ABORT = "mediadl.abort"


class ClientGone(Exception):  # noqa: N818  # not an error: people close tabs
    """It has disconnected, or has not read for too long."""


class Client:
    """Made when the request's body has been read; watches for the disconnect for as long as it is entered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, send_timeout: float) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._send_timeout = send_timeout
        self.is_started = False
        self.sent_bytes = 0
        self.is_served = False  # the whole answer has gone out

    async def __aenter__(self) -> Self:
        self._departure = asyncio.create_task(self._until_it_leaves())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """An unfinished answer must not look like a whole one, so its connection is cut."""
        if self.is_started and not self.is_served and not self.is_gone:
            await self._abort()
        self._departure.cancel()
        return isinstance(error, ClientGone)

    @property
    def is_gone(self) -> bool:
        return self._departure.done()

    def when_gone(self, call: Callable[[], object]) -> None:
        self._departure.add_done_callback(lambda _: call())

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.is_started = True
        await self._pass({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def write(self, data: bytes) -> None:
        await self._pass({"type": "http.response.body", "body": data, "more_body": True})
        self.sent_bytes += len(data)

    async def finish(self) -> None:
        await self._pass({"type": "http.response.body", "body": b"", "more_body": False})
        self.is_served = not self.is_gone  # servers take a message for one who has left, and say nothing

    async def _pass(self, message: dict[str, Any]) -> None:
        if self.is_gone:
            raise ClientGone
        try:
            async with asyncio.timeout(self._send_timeout):
                await self._send(message)
        except OSError as error:  # TimeoutError is one
            raise ClientGone from error

    async def _until_it_leaves(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _abort(self) -> None:
        """ASGI cannot cut a connection: a server that has given no way to is left to close it when it can."""
        abort = self._scope.get("extensions", {}).get(ABORT)
        if abort is not None:
            abort()
            await asyncio.sleep(0)  # lets the server see the loss before we return without an end


def abort_of(send: Send) -> Callable[[], None] | None:
    """Reset uvicorn's connection. A mere close would keep its unsent bytes, in two buffers, until the peer reads."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if not isinstance(transport, asyncio.WriteTransport):
        return None

    def abort() -> None:
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    return abort
