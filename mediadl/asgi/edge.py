"""The outermost layer: the process's start and end, and nothing private in what leaves it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType

from mediadl.asgi.client import ABORT, abort_of
from mediadl.asgi.messages import PRIVATE_PREFIX, Application, Message, Receive, Scope, Send

SPOKEN = frozenset({b"x-accel-buffering"})  # for the proxies in front, so it is meant to leave
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Edge:
    def __init__(
        self,
        application: Application,
        *,
        on_stop: Callable[[], None],
        on_end: Callable[[], Awaitable[None]],
        spoken: frozenset[bytes] = SPOKEN,
    ) -> None:
        """`on_stop` is called when the process is told to stop: servers announce their shutdown only when every
        response has ended, which an event stream would not. `on_end` is awaited at that shutdown.
        """
        self._application = application
        self._on_stop = on_stop
        self._on_end = on_end
        self._spoken = spoken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._application(_with_abort(scope, send), receive, self._without_private_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    def _without_private_headers(self, send: Send) -> Send:
        async def filtered(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message["headers"] if self._may_leave(pair[0])]
                message = {**message, "headers": headers}
            await send(message)

        return filtered

    def _may_leave(self, name: bytes) -> bool:
        name = name.lower()
        return name in self._spoken or not name.startswith(PRIVATE_PREFIX)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        restore = _also_on_signals(self._on_stop)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        restore()
        self._on_stop()
        await self._on_end()
        await send({"type": "lifespan.shutdown.complete"})


def _with_abort(scope: Scope, send: Send) -> Scope:
    abort = abort_of(send)
    return {**scope, "extensions": {**(scope.get("extensions") or {}), ABORT: abort}} if abort else scope


def _also_on_signals(call: Callable[[], None]) -> Callable[[], None]:
    """Calls it beside the server's own handlers, and does nothing where there are none; the result undoes that."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = asyncio.get_running_loop()
    of_the_server = {number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        of_the_server[signal.Signals(number)](number, frame)

    def restore() -> None:
        for number, handler in of_the_server.items():
            signal.signal(number, handler)

    for number in of_the_server:
        signal.signal(number, handle)
    return restore
