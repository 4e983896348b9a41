"""An attempt as its slot sees it: start it, read its events, end it. No call blocks without bound."""

from __future__ import annotations

import os
import re
import select
import socket
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from downloads.engine import wire
from downloads.engine.spec import EVENTS, Event, JobSpec

_MAX_READ_BYTES = 4 * 1024**2  # so that a child that never stops talking cannot keep its slot from its other duties
_RETRY_SECONDS = 0.02
_UNFIT_ESCAPE = re.compile(rb"\\u(?:d[89a-f]|0000)", re.IGNORECASE)
_UNFIT = re.compile("[\x00\ud800-\udfff]")


class ForkServerUnavailable(ConnectionError):  # noqa: N818
    """Nobody answers at the socket: the fork server is starting, restarting or gone."""


class Attempt:
    """Its connection is the attempt's lifeline: when this process dies, so do the child and its children."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._unread = b""
        self._is_refused = False
        self.is_finished = False
        self.exit_status: int | None = None  # None until the leash has said; stays None when the leash was killed
        self.process_group: int | None = None

    @classmethod
    def start(cls, spec: JobSpec, socket_path: str | os.PathLike[str], *, timeout: float = 5.0) -> Attempt:
        """Raises ForkServerUnavailable when no fork server takes the job within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return cls(_connect(spec, os.fspath(socket_path), max(0.01, deadline - time.monotonic())))
            except OSError as error:
                if time.monotonic() + _RETRY_SECONDS > deadline:
                    raise ForkServerUnavailable(f"no fork server at {socket_path}: {error}") from error
            time.sleep(_RETRY_SECONDS)

    def read(self, timeout: float) -> list[Event]:
        """What has arrived, as soon as something has; [] after `timeout` seconds without a whole line."""
        deadline = time.monotonic() + timeout
        events: list[Event] = []
        while not events and not self.is_finished:
            left = deadline - time.monotonic()
            if not wire.is_ready(self._connection, select.POLLIN, left):
                break
            self._receive()
            events = self._take_events()
        return events

    def cancel(self) -> None:
        """Ask the child to stop: SIGTERM now, SIGKILL in half a second. Go on reading until `is_finished`."""
        wire.send(self._connection, wire.CANCEL, seconds=1)

    def beat(self) -> None:
        """Say that the slot lives. From the first time on, the leash ends an attempt whose slot falls silent."""
        wire.send(self._connection, wire.BEAT, seconds=1)

    def kill(self) -> None:
        """SIGKILL everything at once. Go on reading until `is_finished`."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go; what still runs is killed by its leash."""
        self._connection.close()
        self.is_finished = True

    def fileno(self) -> int:
        return self._connection.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self) -> None:
        """Append what is there to `_unread`, up to a bound; the end of the stream ends the attempt."""
        try:
            while len(self._unread) < _MAX_READ_BYTES:
                part = self._connection.recv(65536, socket.MSG_DONTWAIT)
                if not part:
                    self.is_finished = True
                    return
                self._unread += part
        except BlockingIOError:
            return
        except OSError:
            self.is_finished = True

    def _take_events(self) -> list[Event]:
        *lines, self._unread = self._unread.split(b"\n")
        events = [event for line in lines if (event := self._accept(line))]
        if len(self._unread) > wire.MAX_LINE_BYTES:
            self._unread = b""
            events += filter(None, [self._refuse()])
        return events

    def _accept(self, line: bytes) -> Event | None:
        if not line or line.endswith(wire.TORN[:-1]):
            return None
        try:
            event = _parse(line)
        except ValueError:
            return self._refuse()
        if self._is_refused and event.name != "exit":
            return None
        self._note(event)
        return event

    def _refuse(self) -> Event | None:
        """End an attempt that does not speak the protocol; what it says from here on is dropped."""
        self.kill()
        was_refused, self._is_refused = self._is_refused, True
        return None if was_refused else wire.error("internal_error", "The download process wrote what is no event")

    def _note(self, event: Event) -> None:
        if event.name == "started":
            self.process_group = _integer(event.data.get("process_group"))
        elif event.name == "exit":
            self.exit_status = _integer(event.data.get("status"))
            self.is_finished = True


def _connect(spec: JobSpec, path: str, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
        connection.sendall(spec.to_json().encode() + b"\n")
        connection.settimeout(None)  # with one, Python waits in spite of MSG_DONTWAIT
    except BaseException:
        connection.close()
        raise
    return connection


def _parse(line: bytes) -> Event:
    """Raises ValueError for anything but an event that we know."""
    if len(line) > wire.MAX_LINE_BYTES:
        raise ValueError("too long")
    try:
        event = Event.from_line(line)
        is_known = event.name in EVENTS
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("no event") from error
    if not is_known:
        raise ValueError("unknown event")
    return Event(name=event.name, data=_mend(event.data)) if _UNFIT_ESCAPE.search(line) else event


def _mend(value: Any) -> Any:
    """Replace what JSON can carry and neither UTF-8 nor PostgreSQL can: lone surrogates and NUL."""
    if isinstance(value, str):
        return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_mend(item) for item in value]
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    return value


def _integer(value: Any) -> int | None:
    return value if type(value) is int else None
