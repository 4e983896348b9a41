"""Plain HTTP requests of one client, on a connection to the origin that is kept for the next one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from downloads.engine.guard_bodies import Body, MessageError
from downloads.engine.guard_dial import Dialer, FailedError
from downloads.engine.guard_http import Request, Response, parse_response
from downloads.engine.guard_policy import Target
from downloads.engine.guard_relay import CutError, HeadTooLargeError, Relay, Wire
from downloads.engine.guard_stats import Stats

REPLAYABLE = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_INTERIM = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLimits:
    idle_seconds: float = 60
    half_closed_seconds: float = 10  # a tunnel with one side ended: often a client that was killed
    head_seconds: float = 10
    sweep_seconds: float = 5
    max_connections: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all connections of a guard have in common."""

    dialer: Dialer
    relay: Relay
    stats: Stats
    limits: GuardLimits


class Exchanges:
    """One at a time. The task that serves an exchange is cancelled when its client goes away."""

    def __init__(self, client: Wire, shared: Shared) -> None:
        self._client = client
        self._shared = shared
        self._upstream: Wire | None = None
        self._upstream_target: Target | None = None
        self._upload: asyncio.Task[None] | None = None

    async def serve(self, request: Request, target: Target) -> bool:
        """Whether the client's connection can go on.

        Raises DeniedError, FailedError or MessageError before the answer has begun, OSError after.
        """
        watch = _Watch(self._client)
        try:
            response = await self._ask(request, target, watch)
            self._shared.stats.note_allowed(target.host)
            return await self._answer(request, response)
        except BaseException:
            self.close()
            raise
        finally:
            await self._stop_upload()
            watch.stop()

    def close(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None

    async def _ask(self, request: Request, target: Target, watch: _Watch) -> Response:
        """On the kept connection where the request can be repeated, should the origin just then have closed it."""
        if request.body.is_complete:
            watch.start()
        kept = self._kept(request, target)
        if kept is not None:
            try:
                return await self._request(request, target, kept, watch)
            except FailedError as error:
                if error.reason != "closed":
                    raise
        fresh = await self._dial(target)
        return await self._request(request, target, fresh, watch)

    def _kept(self, request: Request, target: Target) -> Wire | None:
        is_replayable = request.method in REPLAYABLE and request.body.is_complete
        is_same = self._upstream_target is not None and self._upstream_target.is_same_origin(target)
        return self._upstream if is_replayable and is_same and self._upstream and self._upstream.is_quiet() else None

    async def _dial(self, target: Target) -> Wire:
        self.close()
        self._upstream = Wire(await self._shared.dialer.connect(target))
        self._upstream_target = target
        self._client.moved += 1  # the wait for the origin's answer starts now
        return self._upstream

    async def _request(self, request: Request, target: Target, upstream: Wire, watch: _Watch) -> Response:
        try:
            await upstream.send(request.serialized(target.authority, target.path))
        except OSError as error:
            raise FailedError("closed") from error
        if not request.body.is_complete:
            self._upload = asyncio.create_task(self._send_body(request.body, upstream, watch))
        for _ in range(MAX_INTERIM):
            response = _parsed(await self._response_head(upstream), request.method)
            if not response.is_interim:
                return response
            if request.minor:
                await self._client.send(response.serialized(closes=False))
        raise FailedError("bad_response")

    async def _send_body(self, body: Body, upstream: Wire, watch: _Watch) -> None:
        await self._shared.relay.pump(self._client, upstream, body)
        watch.start()

    async def _response_head(self, upstream: Wire) -> bytes:
        reading = asyncio.create_task(upstream.read_head())
        try:
            await self._outlast_upload(reading)
            async with asyncio.timeout(self._shared.limits.idle_seconds):
                return await reading
        except TimeoutError as error:
            raise FailedError("timeout", HTTPStatus.GATEWAY_TIMEOUT) from error
        except HeadTooLargeError as error:
            raise FailedError("bad_response") from error
        except OSError as error:
            raise FailedError("closed") from error
        finally:
            reading.cancel()

    async def _outlast_upload(self, reading: asyncio.Task[bytes]) -> None:
        """Until the request's body has been sent, or need not be: an origin may answer before it has read it all.

        That the origin stopped reading is no error yet: its answer says why. Raises what is wrong with the body.
        """
        if self._upload is None:
            return
        await asyncio.wait({self._upload, reading}, return_when=asyncio.FIRST_COMPLETED)
        error = self._upload.exception() if self._upload.done() else None
        if isinstance(error, MessageError | CutError):
            raise error

    async def _answer(self, request: Request, response: Response) -> bool:
        assert self._upstream is not None  # noqa: S101 - tells mypy: it has just answered
        is_early = self._upload is not None and not self._upload.done()
        closes = request.wants_close or response.body.ends_with_connection or is_early
        self._client.is_unframed = response.body.ends_with_connection
        head = response.serialized(closes=closes)
        try:
            await self._shared.relay.pump(self._upstream, self._client, response.body, head)
        except MessageError as error:
            raise CutError from error
        self._client.is_unframed = False
        if closes or not response.keeps_alive:
            self.close()
        return not closes

    async def _stop_upload(self) -> None:
        if self._upload is not None:
            self._upload.cancel()
            await asyncio.gather(self._upload, return_exceptions=True)
            self._upload = None


def _parsed(head: bytes, method: str) -> Response:
    try:
        response = parse_response(head, method)
    except MessageError as error:
        raise FailedError("bad_response") from error
    if response.status == HTTPStatus.SWITCHING_PROTOCOLS:  # nobody asked for it
        raise FailedError("bad_response")
    return response


class _Watch:
    """Cancels the task that made it when the client goes away while nothing is read from it.

    A client of plain HTTP that only ends its sending side counts as gone: a killed one looks the same.
    """

    def __init__(self, client: Wire) -> None:
        self._client = client
        self._task = asyncio.current_task()

    def start(self) -> None:
        if not self._client.buffer:
            self._client.on_readable(self._look)

    def stop(self) -> None:
        self._client.ignore_readable()

    def _look(self) -> None:
        self.stop()
        if not self._client.may_go_on() and self._task is not None:
            self._task.cancel()
