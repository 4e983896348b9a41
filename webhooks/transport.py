"""One attempt at a delivery on the wire: through the guard and no other way, in bounded time, reading a bounded answer.

Requests run in an event loop of their own thread, since only there a whole exchange can be given up at a moment: a
receiver that sends a byte now and then would keep a blocking client for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx

from webhooks.models import Failure, Reply
from webhooks.models.delivery import GONE, MAX_EXCERPT, TOO_MANY, UNAVAILABLE

MAX_READ = 64 * 1024
OK = range(200, 300)
_BLOCKED = re.compile(r"\burl_blocked\b")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff\n\t]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    url: str
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """To be used as a context. `guard` is the proxy's address."""

    def __init__(self, guard: str, seconds: float) -> None:
        if not guard:
            raise RuntimeError("Webhooks are sent through the guard alone, and nobody has said where it is.")
        self._guard = guard
        self._seconds = seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="webhooks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._client = httpx.AsyncClient(
            proxy=self._guard,
            trust_env=False,
            verify=httpx.create_ssl_context(trust_env=True),
            follow_redirects=False,
            timeout=None,  # noqa: S113 - the whole exchange has one
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        """What is still under way is given up."""
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()

    def send(self, message: Message) -> Future[Reply]:
        return asyncio.run_coroutine_threadsafe(self._send(message), self._loop)

    async def _send(self, message: Message) -> Reply:
        began = time.monotonic()
        exchange = Exchange(self._client, message)
        failure: Failure | None = None
        try:
            async with asyncio.timeout(self._seconds):
                await exchange.run()
        except TimeoutError:
            failure = Failure.TIMEOUT
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            failure = Failure.URL_BLOCKED if _BLOCKED.search(str(error)) else Failure.NETWORK_ERROR
        return exchange.reply(failure, time.monotonic() - began)


class Exchange:
    """A request and as much of its answer as has come."""

    def __init__(self, client: httpx.AsyncClient, message: Message) -> None:
        self._client = client
        self._message = message
        self._response: httpx.Response | None = None
        self._read = bytearray()

    async def run(self) -> None:
        message = self._message
        async with self._client.stream(
            "POST", message.url, content=message.body, headers=dict(message.headers)
        ) as response:
            self._response = response
            # As it comes: nothing is unpacked, so that nothing grows.
            async for part in response.aiter_raw():
                self._read += part
                if len(self._read) >= MAX_READ:
                    break

    def reply(self, failure: Failure | None, seconds: float) -> Reply:
        """An answer whose status is known counts by it, even if the rest never came."""
        response = self._response
        if response is None:
            return Reply(failure=failure or Failure.NETWORK_ERROR, seconds=seconds)
        if "x-egress-denied" in response.headers:
            return Reply(failure=Failure.URL_BLOCKED, seconds=seconds)
        if "x-egress-failed" in response.headers:
            return Reply(failure=Failure.NETWORK_ERROR, seconds=seconds)
        return Reply(
            failure=_failure_of(response.status_code),
            status=response.status_code,
            excerpt=excerpt_of(bytes(self._read)),
            seconds=seconds,
            retry_after=retry_after_of(response),
        )


def _failure_of(status: int) -> Failure | None:
    if status in OK:
        return None
    return Failure.GONE if status == GONE else Failure.BAD_STATUS


def excerpt_of(body: bytes) -> str:
    """The beginning, as text that every database and page can hold."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", body[:MAX_EXCERPT].decode("utf-8", "replace"))


def retry_after_of(response: httpx.Response) -> float | None:
    """Seconds, from a number or a date, of the answers that ask for patience."""
    said = response.headers.get("Retry-After", "").strip()
    if response.status_code not in {TOO_MANY, UNAVAILABLE} or not said:
        return None
    if said.isascii() and said.isdecimal():
        return float(said[:9])
    with contextlib.suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(said)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None
