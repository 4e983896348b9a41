"""One poller a process, which asks the event source and fans out to every open stream.

The source is called by one thread, one call at a time, and only while somebody listens. A newcomer gets the source's
snapshot between two polls, so that nothing can fall between its snapshot and what follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Protocol

POLL_SECONDS = 0.25
BUFFERED_MESSAGES = 64
JOINS_BETWEEN_POLLS = 32
LONGEST_BACK_OFF_SECONDS = 5.0
END = "end"

LINE_END = re.compile(r"\r\n|\r|\n")

logger = logging.getLogger(__name__)


class Message(Protocol):
    """Says how things stand rather than what has changed: a listener may be told twice."""

    @property
    def channel(self) -> str: ...
    @property
    def id(self) -> str | int:
        """Comes back as Last-Event-ID. The empty one is not sent."""

    @property
    def event(self) -> str:
        """The empty one is an unnamed event; END ends the stream after it."""

    @property
    def data(self) -> str: ...


class Batch(Protocol):
    @property
    def messages(self) -> Sequence[Message]:
        """In the order in which they are to be sent."""

    @property
    def cursor(self) -> Any:
        """Where the next poll begins. Never None; only the source looks inside."""


class Source(Protocol):
    def snapshot(self, channel: str, after: str | None) -> Batch:
        """The messages after the id `after`; without one, or when it is too old to tell, how things stand now.

        Polling begins at the cursor of the first snapshot.
        """

    def poll(self, cursor: Any, channels: frozenset[str]) -> Batch:
        """What is new since the cursor, a message for each of the channels that it concerns."""


class Listener:
    """A stream's end of the hub."""

    def __init__(self, channel: str, after: str | None, hub: Hub) -> None:
        self.channel = channel
        self.after = after
        self._hub = hub
        self._frames: deque[bytes] = deque()
        self._joined_with: frozenset[str | int] = frozenset()
        self._is_live = False
        self._has_overflown = False
        self._is_ended = False
        self._awake = asyncio.Event()

    @property
    def is_finished(self) -> bool:
        return self._is_ended and not self._frames

    async def next(self, timeout: float) -> bytes:  # noqa: ASYNC109  # a heartbeat is due then: no failure
        """All that has come since the last call; b"" when nothing has within the time, or ever will."""
        if self._has_overflown:
            self._rejoin()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._awake.wait()
        self._awake.clear()
        frames = b"".join(self._frames)
        self._frames.clear()
        return frames

    def wake(self) -> None:
        self._awake.set()

    def end(self) -> None:
        self._is_ended = True
        self.wake()

    def welcome(self, messages: Sequence[Message], frame: bytes) -> None:
        self._joined_with = frozenset(message.id for message in messages if message.id != "")
        self._is_live = True
        self._append(frame, is_last=any(message.event == END for message in messages))

    def deliver(self, message: Message, frame: bytes, *, limit: int) -> None:
        if not self._is_live or self._is_ended or message.id in self._joined_with:
            return
        if len(self._frames) < limit:
            self._append(frame, is_last=message.event == END)
        else:
            self._overflow()

    def _append(self, frame: bytes, *, is_last: bool) -> None:
        if frame:
            self._frames.append(frame)
            self.wake()
        if is_last:
            self.end()

    def _overflow(self) -> None:
        """Its snapshot is asked for when it has time for it: until then one would be stale."""
        self._frames.clear()
        self._is_live = False
        self._has_overflown = True
        self.wake()

    def _rejoin(self) -> None:
        self._has_overflown = False
        self.after = None
        self._hub.join(self)


class Hub:
    def __init__(
        self,
        source: Source,
        run: Callable[..., Awaitable[Any]],
        *,
        interval: float = POLL_SECONDS,
        buffered_messages: int = BUFFERED_MESSAGES,
    ) -> None:
        """`run(call, *arguments)` makes a call of the source's in its thread."""
        self._source = source
        self._run = run
        self._interval = interval
        self._buffered_messages = buffered_messages
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._waiting: deque[Listener] = deque()
        self._awake = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._cursor: Any = None
        self._failures = 0
        self._is_closed = False

    @property
    def listener_count(self) -> int:
        return sum(len(listeners) for listeners in self._listeners.values())

    @contextlib.contextmanager
    def listen(self, channel: str, after: str | None) -> Iterator[Listener]:
        listener = Listener(channel, after, self)
        self._listeners[channel].add(listener)
        self.join(listener)
        try:
            yield listener
        finally:
            self._leave(listener)

    def join(self, listener: Listener) -> None:
        """Have it sent a snapshot and what follows."""
        if self._is_closed:
            listener.end()
            return
        self._waiting.append(listener)
        self._awake.set()
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._serve())

    def close(self) -> None:
        """End every stream, and those still to come."""
        self._is_closed = True
        if self._poller is not None:
            self._poller.cancel()
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.end()

    def _leave(self, listener: Listener) -> None:
        listener.end()
        listeners = self._listeners[listener.channel]
        listeners.discard(listener)
        if not listeners:
            del self._listeners[listener.channel]

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._cursor = None
        due = 0.0
        while self._listeners:
            await self._admit()
            if self._cursor is not None and loop.time() >= due:
                await self._poll()
                due = loop.time() + self._interval
            await self._pause(due)

    async def _admit(self) -> None:
        for (channel, after), newcomers in self._next_newcomers().items():
            try:
                batch = await self._run(self._source.snapshot, channel, after)
                frame = b"".join(render(message) for message in batch.messages)
            except Exception:  # noqa: BLE001  # whatever it is, the streams go on
                self._note_failure()
                self._waiting.extend(newcomers)
                continue
            self._failures = 0
            self._cursor = batch.cursor if self._cursor is None else self._cursor
            for listener in newcomers:
                listener.welcome(batch.messages, frame)

    def _next_newcomers(self) -> dict[tuple[str, str | None], list[Listener]]:
        """Those who want the same share it; no more than a few, so that a crowd does not hold up the polls."""
        groups: dict[tuple[str, str | None], list[Listener]] = {}
        while self._waiting and len(groups) < JOINS_BETWEEN_POLLS:
            listener = self._waiting.popleft()
            if not listener.is_finished:
                groups.setdefault((listener.channel, listener.after), []).append(listener)
        return groups

    async def _poll(self) -> None:
        try:
            batch = await self._run(self._source.poll, self._cursor, frozenset(self._listeners))
            self._cursor = batch.cursor
            for message in batch.messages:
                self._fan_out(message)
        except Exception:  # noqa: BLE001  # whatever it is, the streams go on
            self._note_failure()
        else:
            self._failures = 0

    def _fan_out(self, message: Message) -> None:
        listeners = self._listeners.get(message.channel, ())
        frame = render(message) if listeners else b""
        for listener in listeners:
            listener.deliver(message, frame, limit=self._buffered_messages)

    def _note_failure(self) -> None:
        """A database that is away for a while costs the listeners a delay and no more."""
        self._failures += 1
        logger.warning("event_source_failed", exc_info=self._failures == 1)

    async def _pause(self, due: float) -> None:
        if self._failures:
            await asyncio.sleep(min(self._interval * 2 ** min(self._failures, 10), LONGEST_BACK_OFF_SECONDS))
            return
        if not self._waiting:
            self._awake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due or None):
                await self._awake.wait()


def render(message: Message) -> bytes:
    lines = [f"id: {_line(message.id)}"] if message.id != "" else []
    if message.event:
        lines.append(f"event: {_line(message.event)}")
    lines += [f"data: {line}" for line in LINE_END.split(message.data)]
    return ("\n".join(lines) + "\n\n").encode(errors="replace")


def _line(value: str | int) -> str:
    return LINE_END.sub(" ", str(value))
