"""A few long-lived daemon threads that coroutines hand blocking calls to.

Long-lived, because Django keeps one database connection a thread; daemon, because a call that hangs must not keep
the process alive, as ThreadPoolExecutor's do. A call runs in its thread's own context, as under a WSGI server:
in a copied one Django would open every cache client anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Work = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Threads:
    def __init__(self, count: int, *, name: str, when_quiet: Callable[[], object] | None = None) -> None:
        """`when_quiet` is called in the event loop's thread after a call, unless others wait for a thread by then."""
        self._count = count
        self._name = name
        self._when_quiet = when_quiet
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._started: list[threading.Thread] = []

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """The call's result. When the caller is cancelled, a waiting call is dropped and a running one ends alone."""
        self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put((loop, future, call, arguments))
        try:
            return await future
        finally:
            # A turn later, in which what has arrived meanwhile joins the queue.
            loop.call_soon(self._look_for_quiet)

    def close(self) -> None:
        for _ in self._started:
            self._queue.put(None)
        self._started = []

    def _look_for_quiet(self) -> None:
        if self._when_quiet and self._queue.empty():
            self._when_quiet()

    def _start(self) -> None:
        while len(self._started) < self._count:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._started)}", daemon=True)
            self._started.append(thread)
            thread.start()

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            _perform(*work)
            del work  # or the thread holds the last request until the next one comes


def _perform(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], call: Callable[..., T], arguments: tuple[Any, ...]
) -> None:
    if future.cancelled():
        return
    try:
        settle, outcome = _resolve, call(*arguments)
    except BaseException as error:  # noqa: BLE001  # it belongs to whoever waits
        settle, outcome = _reject, error  # type: ignore[assignment]  # the pair goes together
    with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
        loop.call_soon_threadsafe(settle, future, outcome)


def _resolve(future: asyncio.Future[T], result: T) -> None:
    if not future.cancelled():
        future.set_result(result)


def _reject(future: asyncio.Future[T], error: BaseException) -> None:
    """A SystemExit or StopIteration must not reach the event loop: one ends it, the other it refuses."""
    if future.cancelled():
        return
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:
        failure = RuntimeError(f"{type(error).__name__} in a thread")
        failure.__cause__ = error
        future.set_exception(failure)
