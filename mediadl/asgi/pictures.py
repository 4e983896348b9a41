"""Fetches the pictures that Django's answers name, through the guard: `X-Accel-Picture: <percent-encoded URL>`.

Only what begins as a raster image does is sent on, under a type of ours and the headers of Django's answer. No thread
is held meanwhile. Of what was fetched, a little is kept for a while, for the owner alone (`X-Accel-Owner`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import unquote
from weakref import WeakValueDictionary

from mediadl.asgi.messages import Application, Head, Receive, Scope, Send, hand_over, send_problem

if TYPE_CHECKING:
    import httpx

PICTURE = b"x-accel-picture"
OWNER = b"x-accel-owner"
REPLACED = (b"content-type", b"content-length")
MAX_BYTES = 2 * 1024**2
MAX_HOPS = 3
SECONDS = 8.0
AT_ONCE = 16
AT_ONCE_FOR_AN_OWNER = 6
SHELF_BYTES = 8 * 1024**2
SHELF_SECONDS = 600.0
ASKED_FOR = {
    "accept": "image/jpeg, image/png, image/webp, image/gif",
    # What is packed could unpack to anything.
    "accept-encoding": "identity",
    "user-agent": "Mozilla/5.0 (compatible; mediadl)",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    type: bytes
    data: bytes


Fetch = Callable[[str], Awaitable[Picture | None]]


class Pictures:
    def __init__(self, application: Application, *, fetch: Fetch) -> None:
        self._application = application
        self._fetch = fetch
        self._shelf = Shelf(SHELF_BYTES, SHELF_SECONDS)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._gates: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._application(scope, receive, send)
            return
        head = await hand_over(self._application, scope, receive, send, lambda head: head.get(PICTURE) is not None)
        if head is not None:
            await self._answer(head, send)

    async def _answer(self, head: Head, send: Send) -> None:
        picture = await self._find(head.get(OWNER) or "", unquote(head.get(PICTURE) or ""))
        if picture is None:
            detail = "There is no picture that could be shown."
            await send_problem(send, status=404, code="not_found", title="Not found", detail=detail, head=head)
            return
        about = [(b"content-type", picture.type), (b"content-length", b"%d" % len(picture.data))]
        headers = [*head.without(*REPLACED), *about]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": picture.data})

    async def _find(self, owner: str, url: str) -> Picture | None:
        if picture := self._shelf.get((owner, url)):
            return picture
        gate = self._gates.setdefault(owner, asyncio.Semaphore(AT_ONCE_FOR_AN_OWNER))
        async with gate, self._gate:
            picture = self._shelf.get((owner, url)) or await self._fetch(url)
        if picture is not None:
            self._shelf.put((owner, url), picture)
        return picture


class Shelf:
    """What was put there last, `max_bytes` of it, for so many seconds."""

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._kept: OrderedDict[tuple[str, str], tuple[float, Picture]] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, str]) -> Picture | None:
        until, picture = self._kept.get(key, (0.0, None))
        if picture is not None and until < time.monotonic():
            self._drop(key)
            return None
        return picture

    def put(self, key: tuple[str, str], picture: Picture) -> None:
        self._drop(key)
        self._kept[key] = (time.monotonic() + self._seconds, picture)
        self._bytes += len(picture.data)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, str]) -> None:
        if key in self._kept:
            self._bytes -= len(self._kept.pop(key)[1].data)


class Fetcher:
    """Fetches through the guard at `guard` and no other way; without one there is nothing."""

    def __init__(self, guard: str, *, seconds: float = SECONDS) -> None:
        self._guard = guard
        self._seconds = seconds
        self._client: asyncio.Task[httpx.AsyncClient] | None = None

    async def __call__(self, url: str) -> Picture | None:
        if not self._guard:
            return None
        import httpx  # noqa: PLC0415 - loaded when the first picture is wanted

        try:
            async with asyncio.timeout(self._seconds):
                return await self._read(await self._connected(), url)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            logger.info("picture_not_fetched")
            return None

    async def close(self) -> None:
        if self._client is not None:
            await (await self._client).aclose()

    async def _connected(self) -> httpx.AsyncClient:
        """One for all. It takes a while to make, which no other request has to wait for."""
        if self._client is None:
            self._client = asyncio.create_task(asyncio.to_thread(_client, self._guard))
        return await asyncio.shield(self._client)

    async def _read(self, client: httpx.AsyncClient, url: str) -> Picture | None:
        async with client.stream("GET", url) as response:
            if response.status_code != 200 or "content-encoding" in response.headers:  # noqa: PLR2004
                return None
            data = bytearray()
            async for part in response.aiter_raw():
                data += part
                if len(data) > MAX_BYTES:
                    return None
        kind = type_of(bytes(data[:12]))
        return Picture(type=kind, data=bytes(data)) if kind else None


def _client(guard: str) -> httpx.AsyncClient:
    import httpx  # noqa: PLC0415 - loaded when the first picture is wanted

    return httpx.AsyncClient(
        proxy=guard,
        trust_env=False,
        verify=httpx.create_ssl_context(trust_env=True),
        headers=ASKED_FOR,
        # What a site would like to remember of one person must not be told to it of the next.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=True,
        max_redirects=MAX_HOPS,
        timeout=SECONDS,
        limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE, keepalive_expiry=15),
    )


def type_of(head: bytes) -> bytes | None:
    """By the first bytes, whatever the site says: drawings carry script, and pages are no pictures."""
    if head.startswith(b"\xff\xd8\xff"):
        return b"image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return b"image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return b"image/webp"
    return None
