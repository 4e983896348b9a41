"""Runs a WSGI application in long-lived threads (docs/adr/0003 says why it is ours).

A thread is held only while the application works: the body is collected before, and a slow reader of a streamed
answer waits between two steps. So the steps of one stream may run in different threads, and a stream must not keep
a database cursor open from one to the next.
"""

from __future__ import annotations

import asyncio
from tempfile import SpooledTemporaryFile
from typing import IO

from mediadl.asgi.client import Client
from mediadl.asgi.exchange import Environ, Exchange, WSGIApplication, environ_of
from mediadl.asgi.messages import Message, Receive, Scope, Send, send_problem
from mediadl.asgi.threads import Threads

MAX_BODY_BYTES = 16 * 1024 * 1024
# A request that has something to hide, cookies or a password, is smaller: it never lies on the disk.
BODY_IN_MEMORY_BYTES = 640 * 1024
BODY_TIMEOUT_SECONDS = 30.0
SEND_TIMEOUT_SECONDS = 60.0


class BodyTooLarge(Exception):  # noqa: N818
    pass


class Disconnected(Exception):  # noqa: N818
    pass


class Bridge:
    def __init__(
        self,
        application: WSGIApplication,
        *,
        threads: Threads,
        max_body_bytes: int = MAX_BODY_BYTES,
        body_timeout: float = BODY_TIMEOUT_SECONDS,
        send_timeout: float = SEND_TIMEOUT_SECONDS,
    ) -> None:
        """`max_body_bytes` only bounds what one request may put on the disk; what a view accepts is Django's."""
        self._application = application
        self._threads = threads
        self._max_body_bytes = max_body_bytes
        self._body_timeout = body_timeout
        self._send_timeout = send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with SpooledTemporaryFile(max_size=BODY_IN_MEMORY_BYTES) as body:
            try:
                size = await self._collect(body, scope, receive)
            except BodyTooLarge:
                await _refuse(send, 413, "body_too_large", "Body too large", "The request's body is too large.")
            except TimeoutError:
                await _refuse(send, 408, "request_timeout", "Request timeout", "The request's body came too slowly.")
            except Disconnected:
                pass
            else:
                await self._respond(environ_of(scope, body, size), scope, receive, send)

    async def _collect(self, body: IO[bytes], scope: Scope, receive: Receive) -> int:
        if _declared_length(scope) > self._max_body_bytes:
            raise BodyTooLarge
        size, has_more = 0, True
        while has_more:
            async with asyncio.timeout(self._body_timeout):
                message = await receive()
            size += body.write(_body_of(message))
            if size > self._max_body_bytes:
                raise BodyTooLarge
            has_more = message.get("more_body", False)
        body.seek(0)
        return size

    async def _respond(self, environ: Environ, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(self._application, environ)
        try:
            data = await self._threads.run(exchange.begin)
            exchange.is_started = True
            if exchange.is_closed:
                await send({"type": "http.response.start", "status": exchange.status, "headers": exchange.headers})
                await send({"type": "http.response.body", "body": data})
            else:
                async with Client(scope, receive, send, self._send_timeout) as client:
                    await self._stream(exchange, data, client)
        finally:
            if not exchange.is_closed:
                await self._threads.run(exchange.close)

    async def _stream(self, exchange: Exchange, data: bytes | None, client: Client) -> None:
        await client.start(exchange.status, exchange.headers)
        while data is not None:
            await client.write(data)
            data = await self._threads.run(exchange.step)
        await client.finish()


def _declared_length(scope: Scope) -> int:
    """The server has checked that it is a number."""
    return next((int(value) for name, value in scope["headers"] if name.lower() == b"content-length"), 0)


def _body_of(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise Disconnected
    return bytes(message.get("body", b""))


async def _refuse(send: Send, status: int, code: str, title: str, detail: str) -> None:
    """Closes the connection: the rest of the body may still come, and nobody will read it."""
    close = [(b"connection", b"close")]
    await send_problem(send, status=status, code=code, title=title, detail=detail, headers=close)
