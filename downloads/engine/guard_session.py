"""One client of the guard: its requests one after the other, or its tunnel."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus

from downloads.engine.guard_answers import ESTABLISHED, answer_to
from downloads.engine.guard_bodies import MessageError, UntilClose
from downloads.engine.guard_dial import FailedError
from downloads.engine.guard_exchange import Exchanges, Shared
from downloads.engine.guard_http import Request, parse_request
from downloads.engine.guard_policy import DeniedError, Target, absolute_target, connect_target
from downloads.engine.guard_relay import HeadTooLargeError, Wire

METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT"})
LINGER_SECONDS = 1.0


class Session:
    """`run` is its task, and cancelling that ends it."""

    def __init__(self, client: Wire, shared: Shared) -> None:
        self._client = client
        self._shared = shared
        self._exchanges = Exchanges(client, shared)
        self._host: str | None = None
        self._is_half_closed = False
        self._swept_bytes = 0
        self._idle_seconds = 0.0

    async def run(self) -> None:
        try:
            while await self._next():
                pass
            await self._linger()
        except OSError:
            pass  # one side has gone, and nobody is left to be told
        finally:
            self._exchanges.close()
            self._client.close()

    def sweep(self, seconds: float) -> int:
        """The bytes that moved since the last sweep; also counts how long none have."""
        moved, self._swept_bytes = self._client.moved - self._swept_bytes, self._client.moved
        self._idle_seconds = 0 if moved else self._idle_seconds + seconds
        return moved

    @property
    def is_idle(self) -> bool:
        limits = self._shared.limits
        return self._idle_seconds >= (limits.half_closed_seconds if self._is_half_closed else limits.idle_seconds)

    async def _next(self) -> bool:
        """Serves one request. False when the connection is at its end."""
        head, self._host = b"", None
        try:
            head = await self._read_head()
            return bool(head) and await self._serve(parse_request(head))
        except (DeniedError, FailedError, MessageError) as error:
            answer = answer_to(error)
            self._shared.stats.note_refused(answer, self._host)
            await self._client.send(answer.serialized(has_body=not head.startswith(b"HEAD ")))
            return False

    async def _read_head(self) -> bytes:
        """Empty at the end of the stream. A connection may idle before a head, but not inside one."""
        if not self._client.buffer and not await self._client.fill():
            return b""
        try:
            async with asyncio.timeout(self._shared.limits.head_seconds):
                return await self._client.read_head()
        except TimeoutError as error:
            raise MessageError("slow head", HTTPStatus.REQUEST_TIMEOUT) from error
        except HeadTooLargeError as error:
            raise MessageError("large head", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from error

    async def _serve(self, request: Request) -> bool:
        if request.method == "CONNECT":
            return await self._tunnel(request, self._noted(connect_target(request.target)))
        target = absolute_target(request.target)
        if target is None:
            raise MessageError("request target")
        self._noted(target)
        if request.method not in METHODS:
            raise DeniedError("method")
        return await self._exchanges.serve(request, target)

    def _noted(self, target: Target) -> Target:
        self._host = target.host
        return target

    async def _tunnel(self, request: Request, target: Target) -> bool:
        if not request.body.is_complete:
            raise MessageError("CONNECT with a body")
        upstream = Wire(await self._shared.dialer.connect(target))
        try:
            self._shared.stats.note_allowed(target.host)
            await self._client.send(ESTABLISHED)
            await self._both_ways(upstream)
        finally:
            upstream.close()
        return False

    async def _both_ways(self, upstream: Wire) -> None:
        """Until both sides have ended, or one breaks: then neither must take it for the end."""
        self._client.is_unframed = upstream.is_unframed = True
        ways = [
            asyncio.create_task(self._one_way(source, sink))
            for source, sink in ((self._client, upstream), (upstream, self._client))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for way in ways:
                way.cancel()
            ended = await asyncio.gather(*ways, return_exceptions=True)
        self._client.is_unframed = upstream.is_unframed = ended != [None, None]

    async def _one_way(self, source: Wire, sink: Wire) -> None:
        await self._shared.relay.pump(source, sink, UntilClose())
        sink.finish()
        self._is_half_closed = True

    async def _linger(self) -> None:
        """Reads on for a moment: closing on unread bytes would reset what was sent last."""
        if self._client.is_unframed:
            return
        self._client.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while await self._client.fill():
                    self._client.buffer.clear()
