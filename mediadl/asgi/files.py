"""Sends the files that Django's answers name: `X-Accel-Redirect: /_protected/<percent-encoded storage key>`.

Of such an answer the body is dropped and every other header kept, as nginx does with the same header. Also read:
`X-Accel-Owner` (whose open downloads are counted) and `X-Accel-Token` (given back when every byte has gone out).
"""

from __future__ import annotations

import errno
import io
import logging
import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote_to_bytes

from mediadl.asgi.client import Client
from mediadl.asgi.deliveries import Deliveries
from mediadl.asgi.messages import Application, Head, Receive, Scope, Send, hand_over, request_headers, send_problem
from mediadl.asgi.ranges import Decision, decide
from mediadl.asgi.reading import Reader, Truncated, open_below
from mediadl.asgi.streams import Streams, TooManyStreams, refuse
from mediadl.asgi.threads import Threads

REDIRECT = b"x-accel-redirect"
OWNER = b"x-accel-owner"
TOKEN = b"x-accel-token"
PREFIX = "/_protected/"
SEND_TIMEOUT_SECONDS = 60.0

REPLACED = (b"content-length", b"content-range", b"accept-ranges")
OF_THE_FILE = (*REPLACED, b"content-type", b"content-disposition", b"content-encoding", b"content-language")
NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO}

logger = logging.getLogger(__name__)


class Files:
    def __init__(
        self,
        application: Application,
        *,
        root: Path,
        threads: Threads,
        max_streams_per_owner: int,
        when_sent: Callable[[str], Awaitable[object]] | None = None,
        is_passed_through: bool = False,
        send_timeout: float = SEND_TIMEOUT_SECONDS,
    ) -> None:
        """`is_passed_through` leaves the redirect to the nginx in front, which could give no token back."""
        self._application = application
        self._root = root
        self._threads = threads
        self._reader = Reader(threads)
        self._streams = Streams(max_streams_per_owner)
        self._when_sent = when_sent
        self._deliveries = Deliveries()
        self._is_passed_through = is_passed_through
        self._send_timeout = send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._application(scope, receive, send)
            return
        head = await hand_over(self._application, scope, receive, send, self._is_ours)
        if head is not None:
            await self._answer(head, scope, receive, send)

    def _is_ours(self, head: Head) -> bool:
        return _names_a_file(head) and not (self._is_passed_through and head.get(TOKEN) is None)

    async def _answer(self, head: Head, scope: Scope, receive: Receive, send: Send) -> None:
        key = unquote_to_bytes((head.get(REDIRECT) or "").removeprefix(PREFIX))
        try:
            file = await self._threads.run(open_below, self._root, key)
        except OSError as error:
            await _cannot_open(error, head, send)
            return
        try:
            decision = _decide(file, head, scope)
            if scope["method"] == "GET" and decision.status in (200, 206):
                await self._send_file(file, decision, head, Client(scope, receive, send, self._send_timeout), send)
            else:
                await send_head(decision, head, send)
        finally:
            file.close()

    async def _send_file(self, file: io.FileIO, decision: Decision, head: Head, client: Client, send: Send) -> None:
        try:
            with self._streams.one_for(head.get(OWNER)):
                async with client:
                    await client.start(decision.status, [*head.without(*REPLACED), *decision.headers])
                    async for data in self._reader.chunks(file, decision.start, decision.length):
                        await client.write(data)
                    await client.finish()
        except TooManyStreams:
            await refuse(send, head)
        except Truncated:
            logger.exception("file_truncated")
        token = head.get(TOKEN)
        if token is not None:
            self._deliveries.add(token, _size(file), (decision.start, decision.start + client.sent_bytes))
            if client.is_served:
                await self._report_when_whole(token, _size(file))

    async def _report_when_whole(self, token: str, size: int) -> None:
        if self._when_sent is None or not self._deliveries.is_whole(token, size):
            return
        self._deliveries.forget(token, size)
        try:
            await self._when_sent(token)
        except Exception:
            logger.exception("file_sent_callback_failed")


def _names_a_file(head: Head) -> bool:
    return head.status == HTTPStatus.OK and (head.get(REDIRECT) or "").startswith(PREFIX)


def _decide(file: io.FileIO, head: Head, scope: Scope) -> Decision:
    return decide(
        method=scope["method"],
        request=request_headers(scope),
        size=_size(file),
        etag=head.get(b"etag"),
        last_modified=head.get(b"last-modified"),
    )


def _size(file: io.FileIO) -> int:
    return os.fstat(file.fileno()).st_size


async def send_head(decision: Decision, head: Head, send: Send) -> None:
    if decision.status in (412, 416):
        await _refuse(decision, head, send)
        return
    dropped = OF_THE_FILE if decision.status == HTTPStatus.NOT_MODIFIED else REPLACED
    headers = [*head.without(*dropped), *decision.headers]
    await send({"type": "http.response.start", "status": decision.status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(decision: Decision, head: Head, send: Send) -> None:
    code, title, detail = {
        412: ("precondition_failed", "Precondition failed", "The file is not the one that the request asks for."),
        416: ("range_not_satisfiable", "Range not satisfiable", "The file ends before the first byte asked for."),
    }[decision.status]
    await send_problem(
        send, status=decision.status, code=code, title=title, detail=detail, head=head, headers=decision.headers
    )


async def _cannot_open(error: OSError, head: Head, send: Send) -> None:
    if error.errno is None or error.errno in NOT_THERE:
        status, code, title, detail = 404, "not_found", "Not found", "The file is no longer here."
        headers = []
    else:
        logger.error("file_unreadable", exc_info=error)
        status, code, title, detail = 503, "storage_unavailable", "Storage unavailable", "The file cannot be read now."
        headers = [(b"retry-after", b"10")]
    await send_problem(send, status=status, code=code, title=title, detail=detail, head=head, headers=headers)
