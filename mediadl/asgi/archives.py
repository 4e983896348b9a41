"""Sends answers that are put together of bytes and files: `X-Accel-Segments: <size of the whole>`.

The body of such an answer from Django is JSON, a list in the order of sending: a text is bytes in base64; a list is the
storage key of a file, its size, and a token or null (as `X-Accel-Token` of files.py). It is answered with the pieces,
whole or in part, of one file after the other: no thread is held, and nothing is copied to the disk.

Some files are opened ahead, so that one that is deleted meanwhile is still sent. One that has gone before ends the
transfer with a broken connection, since an archive that looks whole must be whole. Files come from a directory or a
bucket (shelves.py).
"""

from __future__ import annotations

import base64
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus

from mediadl.asgi.client import Client
from mediadl.asgi.deliveries import Deliveries
from mediadl.asgi.files import OWNER, REPLACED, SEND_TIMEOUT_SECONDS, send_head
from mediadl.asgi.messages import (
    Application,
    Head,
    Message,
    Receive,
    Scope,
    Send,
    request_headers,
    send_problem,
)
from mediadl.asgi.ranges import Decision, decide
from mediadl.asgi.reading import Truncated
from mediadl.asgi.shelves import Content, Shelf
from mediadl.asgi.streams import Streams, TooManyStreams, refuse

SEGMENTS = b"x-accel-segments"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes `start` to `end` of a segment: of `data`, or of the file of `size` bytes at `key`."""

    start: int
    end: int
    size: int
    data: bytes | None = None
    key: bytes = b""
    token: str | None = None


class Archives:
    def __init__(
        self,
        application: Application,
        *,
        shelf: Shelf,
        max_streams_per_owner: int,
        when_sent: Callable[[str], Awaitable[object]] | None = None,
        send_timeout: float = SEND_TIMEOUT_SECONDS,
    ) -> None:
        self._application = application
        self._shelf = shelf
        self._streams = Streams(max_streams_per_owner)
        self._when_sent = when_sent
        self._deliveries = Deliveries()
        self._send_timeout = send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._application(scope, receive, send)
            return
        caught = Caught(send)
        await self._application(scope, receive, caught.hear)
        if caught.head is not None:
            await self._answer(caught.head, bytes(caught.body), scope, receive, send)

    async def _answer(self, head: Head, plan: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        decision = _decide(head, scope)
        if scope["method"] != "GET" or decision.status not in (200, 206):
            await send_head(decision, head, send)
            return
        pieces = list(_pieces(json.loads(plan), decision.start, decision.start + decision.length))
        try:
            with self._streams.one_for(head.get(OWNER)):
                await self._send(pieces, decision, head, Client(scope, receive, send, self._send_timeout), send)
        except TooManyStreams:
            await refuse(send, head)

    async def _send(self, pieces: list[Piece], decision: Decision, head: Head, client: Client, send: Send) -> None:
        window = Window(self._shelf, pieces)
        try:
            await window.fill()
            async with client:
                await client.start(decision.status, [*head.without(*REPLACED), *decision.headers])
                async for data in self._chunks(pieces, window):
                    await client.write(data)
                await client.finish()
        except (OSError, Truncated):
            logger.warning("archive_broken_off")
            if not client.is_started:
                await _has_changed(send, head)
        finally:
            window.close()
        if client.is_served:
            await self._report(pieces)

    async def _chunks(self, pieces: Iterable[Piece], window: Window) -> AsyncIterator[bytes]:
        for piece in pieces:
            if piece.data is not None:
                yield piece.data[piece.start : piece.end]
                continue
            with closing(await window.next()) as content:
                async for data in content.chunks(piece.start, piece.end - piece.start):
                    yield data

    async def _report(self, pieces: Iterable[Piece]) -> None:
        """Only at the end: what is deleted for having been fetched could not be resumed."""
        for piece in pieces:
            if piece.token is None or self._when_sent is None:
                continue
            self._deliveries.add(piece.token, piece.size, (piece.start, piece.end))
            if self._deliveries.is_whole(piece.token, piece.size):
                self._deliveries.forget(piece.token, piece.size)
                try:
                    await self._when_sent(piece.token)
                except Exception:
                    logger.exception("file_sent_callback_failed")


class Window:
    """The next files, opened. Each is closed by whoever has taken it, and the rest by `close`."""

    def __init__(self, shelf: Shelf, pieces: Iterable[Piece]) -> None:
        self._shelf = shelf
        self._waiting = deque(piece for piece in pieces if piece.data is None)
        self._opened: deque[Content] = deque()

    async def fill(self) -> None:
        """Raises OSError or Truncated for one that is not there as it should be."""
        while self._waiting and len(self._opened) < self._shelf.opened_ahead:
            piece = self._waiting.popleft()
            self._opened.append(await self._shelf.open(piece.key, piece.size))

    async def next(self) -> Content:
        await self.fill()
        return self._opened.popleft()

    def close(self) -> None:
        for content in self._opened:
            content.close()


class Caught:
    """Of an answer of ours the head and the whole body, which is short; any other is passed on."""

    def __init__(self, send: Send) -> None:
        self.head: Head | None = None
        self.body = bytearray()
        self._send = send

    async def hear(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            head = Head.of(message)
            self.head = head if head.status == HTTPStatus.OK and head.get(SEGMENTS) is not None else None
        if self.head is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def _decide(head: Head, scope: Scope) -> Decision:
    return decide(
        method=scope["method"],
        request=request_headers(scope),
        size=int(head.get(SEGMENTS) or 0),
        etag=head.get(b"etag"),
        last_modified=head.get(b"last-modified"),
    )


def _pieces(plan: list[str | list[object]], start: int, end: int) -> Iterable[Piece]:
    """Those of the plan that lie between `start` and `end` of the whole, and what of them does."""
    position = 0
    for segment in plan:
        whole = _whole(segment)
        first, last = max(start - position, 0), min(end - position, whole.size)
        if first < last:
            yield Piece(start=first, end=last, size=whole.size, data=whole.data, key=whole.key, token=whole.token)
        position += whole.size


def _whole(segment: str | list[object]) -> Piece:
    if isinstance(segment, str):
        data = base64.b64decode(segment)
        return Piece(start=0, end=len(data), size=len(data), data=data)
    key, size, token = segment
    length = int(str(size))
    return Piece(start=0, end=length, size=length, key=str(key).encode(), token=None if token is None else str(token))


async def _has_changed(send: Send, head: Head) -> None:
    await send_problem(
        send,
        status=503,
        code="archive_changed",
        title="A file has just gone",
        detail="A file of this archive has been deleted in this moment. Ask for it again.",
        head=head,
        headers=[(b"retry-after", b"1")],
    )
