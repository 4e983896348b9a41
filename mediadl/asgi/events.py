"""Holds the event streams that Django's answers grant: `X-Accel-Events: <channel>`.

Of such an answer the status and most headers are kept, and the stream follows. `X-Accel-Owner` counts as for files.
With `X-Accel-Wait: <seconds>` it is no stream but a request that waits without a thread: Django is asked the same
again, with `mediadl.waited` in the environ, when the channel has a message after the id in `X-Accel-After` or the time
is over.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from mediadl.asgi.client import Client
from mediadl.asgi.exchange import WAITED
from mediadl.asgi.hub import Hub, Listener
from mediadl.asgi.messages import Application, Head, Message, Receive, Scope, Send, hand_over, request_headers
from mediadl.asgi.streams import Streams, TooManyStreams, refuse

CHANNEL = b"x-accel-events"
OWNER = b"x-accel-owner"
WAIT = b"x-accel-wait"
AFTER = b"x-accel-after"

RETRY = b"retry: 2000\n\n"
HEARTBEAT = b":\n\n"
HEARTBEAT_SECONDS = 15.0
LIFETIME_SECONDS = 14 * 60.0  # some platforms cut a request after 15 minutes
SEND_TIMEOUT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 60.0
LONGEST_EVENT_ID = 64
LONGEST_KEPT_BODY = 1024 * 1024  # Django's own DATA_UPLOAD_MAX_MEMORY_SIZE

REPLACED = (b"content-type", b"content-length", b"cache-control", b"etag", b"last-modified")
STREAM_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class Events:
    def __init__(
        self,
        application: Application,
        *,
        hub: Hub,
        max_streams_per_owner: int,
        heartbeat: float = HEARTBEAT_SECONDS,
        lifetime: float = LIFETIME_SECONDS,
        send_timeout: float = SEND_TIMEOUT_SECONDS,
    ) -> None:
        self._application = application
        self._hub = hub
        self._streams = Streams(max_streams_per_owner)
        self._heartbeat = heartbeat
        self._lifetime = lifetime
        self._send_timeout = send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD", "POST"):
            await self._application(scope, receive, send)
            return
        body = Body(receive)
        is_granted = _is_wait if scope["method"] == "POST" else _is_granted
        head = await hand_over(self._application, scope, body, send, is_granted)
        if head is not None:
            await self._answer(head, scope, receive, send, body)

    async def _answer(self, head: Head, scope: Scope, receive: Receive, send: Send, body: Body) -> None:
        client = Client(scope, receive, send, self._send_timeout)
        if head.get(WAIT) is not None:
            if await self._wait(head, client):
                await self._application({**scope, WAITED: True}, body.again(), send)
        elif scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": head.status, "headers": _stream_headers(head)})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._hold(head, scope, client, send)

    async def _hold(self, head: Head, scope: Scope, client: Client, send: Send) -> None:
        last_event_id = request_headers(scope).get("last-event-id", "")[:LONGEST_EVENT_ID] or None
        try:
            with self._streams.one_for(head.get(OWNER)), self._hub.listen(_channel(head), last_event_id) as listener:
                async with client:
                    await client.start(head.status, _stream_headers(head))
                    await self._stream(listener, client)
                    await client.finish()
        except TooManyStreams:
            await refuse(send, head)

    async def _stream(self, listener: Listener, client: Client) -> None:
        clock = asyncio.get_running_loop().time
        end = clock() + self._lifetime
        client.when_gone(listener.end)
        await client.write(RETRY)
        while not listener.is_finished and clock() < end:
            data = await listener.next(min(self._heartbeat, end - clock()))
            if data or not listener.is_finished:
                await client.write(data or HEARTBEAT)

    async def _wait(self, head: Head, client: Client) -> bool:
        """Whether somebody is still there to be answered."""
        with self._hub.listen(_channel(head), head.get(AFTER)) as listener:
            async with client:
                client.when_gone(listener.end)
                await listener.next(_seconds(head))
                return not client.is_gone
        return False


def _is_granted(head: Head) -> bool:
    return head.status == HTTPStatus.OK and head.get(CHANNEL) is not None


def _is_wait(head: Head) -> bool:
    return _is_granted(head) and head.get(WAIT) is not None


def _channel(head: Head) -> str:
    return head.get(CHANNEL) or ""


def _stream_headers(head: Head) -> list[tuple[bytes, bytes]]:
    return [*head.without(*REPLACED), *STREAM_HEADERS]


def _seconds(head: Head) -> float:
    return min(float(head.get(WAIT) or 0), LONGEST_WAIT_SECONDS)


class Body:
    """Passes a request's body on and keeps it: whoever waits is asked again with the same.

    Of one that is too long nothing is kept. Django refuses longer ones, which then have nothing to wait for.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept = bytearray()
        self._is_kept = True

    async def __call__(self) -> Message:
        message = await self._receive()
        if self._is_kept and message["type"] == "http.request":
            self._kept += message.get("body", b"")
            if len(self._kept) > LONGEST_KEPT_BODY:
                self._is_kept = False
                self._kept.clear()
        return message

    def again(self) -> Receive:
        whole = [{"type": "http.request", "body": bytes(self._kept), "more_body": False}]

        async def read() -> Message:
            return whole.pop() if whole else await self._receive()

        return read
