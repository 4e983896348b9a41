"""A few long-lived daemon threads that coroutines hand blocking calls to.

Long-lived, because Django keeps one database connection a thread; daemon, because a call that hangs must not keep
the process alive, as ThreadPoolExecutor's do. A call runs in its thread's own context, as under a WSGI server:
in a copied one Django would open every cache client anew.

Threads that compute take the interpreter, and SQLite's lock, from each other: of forty submissions by eight threads
each costs twice the processor time of one alone (docs/performance.md). So `at_once` can hold the others back until they
are wanted: one more is called in when no call has begun for RELIEF_SECONDS, as while they wait for something else.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Work = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]

# Longer than a request computes, shorter than anybody notices.
RELIEF_SECONDS = 0.01


class Threads:
    def __init__(
        self,
        count: int,
        *,
        name: str,
        at_once: int | None = None,
        when_quiet: Callable[[], object] | None = None,
    ) -> None:
        """`when_quiet` is called in the event loop's thread after a call, unless others wait for a thread by then."""
        self._count = count
        self._at_once = at_once or count
        self._name = name
        self._when_quiet = when_quiet
        self._waiting: deque[Work] = deque()
        self._calls: SimpleQueue[Literal["work", "end"]] = SimpleQueue()
        self._lock = threading.Lock()
        self._on_duty = 0
        self._begun = 0
        self._working: dict[int, float] = {}  # since when, by thread
        self._started: list[threading.Thread] = []
        self._watched: asyncio.AbstractEventLoop | None = None

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """The call's result. When the caller is cancelled, a waiting call is dropped and a running one ends alone."""
        self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((loop, future, call, arguments))
        if not self._call_in(at_most=self._at_once) and self._watched is not loop:
            self._watch(loop)
        try:
            return await future
        finally:
            # A turn later, in which what has arrived meanwhile is waiting, too.
            loop.call_soon(self._look_for_quiet)

    def close(self) -> None:
        for _ in self._started:
            self._calls.put("end")
        self._started = []

    def _start(self) -> None:
        while len(self._started) < self._count:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._started)}", daemon=True)
            self._started.append(thread)
            thread.start()

    def _call_in(self, *, at_most: int) -> bool:
        with self._lock:
            if self._on_duty >= at_most:
                return False
            self._on_duty += 1
        self._calls.put("work")
        return True

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watched = loop
        loop.call_later(RELIEF_SECONDS, self._relieve, loop, self._begun)

    def _relieve(self, loop: asyncio.AbstractEventLoop, begun: int) -> None:
        self._watched = None
        if self._waiting:
            if begun == self._begun:
                self._call_in(at_most=self._count)
            self._watch(loop)

    def _look_for_quiet(self) -> None:
        if self._when_quiet and not self._waiting:
            self._when_quiet()

    def _work(self) -> None:
        while self._calls.get() == "work":
            while work := self._next():
                _perform(*work)
                del work  # or the thread holds the last request until the next one comes

    def _next(self) -> Work | None:
        """What has waited longest. None, and off duty, when nothing waits or others have taken over meanwhile."""
        thread, now = threading.get_ident(), time.monotonic()
        with self._lock:
            self._working.pop(thread, None)
            others = sum(now - since < RELIEF_SECONDS for since in self._working.values())
            if self._waiting and others < self._at_once:
                self._begun += 1
                self._working[thread] = now
                return self._waiting.popleft()
            self._on_duty -= 1
            return None


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
