"""The protocol between a slot and a leash, on one Unix stream socket.

The slot writes a JobSpec as one line, later `beat` and `cancel`; closing its end kills. Back come event lines, by the
child and, when the child is gone, by the leash, whose `exit` is the last.
"""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress

from downloads.engine.spec import Event

CANCEL = b"cancel\n"
BEAT = b"beat\n"
# Ends a line that a killed child left unfinished; JSON never contains it.
TORN = b"\x18\n"
MAX_LINE_BYTES = 1024**2


def error(code: str, message: str) -> Event:
    return Event(name="error", data={"code": code, "message": message[:500], "retry_after": None})


def send(connection: socket.socket, data: bytes, *, seconds: float) -> None:
    """Deliver or give up. The connection stays in blocking mode, since that mode is shared with the child."""
    deadline = time.monotonic() + seconds
    with suppress(OSError):
        while data and (left := deadline - time.monotonic()) > 0:
            with suppress(BlockingIOError):
                data = data[connection.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            if data:
                is_ready(connection, select.POLLOUT, left)


def receive_line(connection: socket.socket, *, seconds: float) -> tuple[bytes, bytes]:
    """The first line and what followed it. Raises ValueError when there is none in time, or it is too long."""
    deadline = time.monotonic() + seconds
    received = b""
    while b"\n" not in received:
        if len(received) > MAX_LINE_BYTES:
            raise ValueError("the line is too long")
        if not is_ready(connection, select.POLLIN, deadline - time.monotonic()):
            raise ValueError("no line in time")
        part = connection.recv(65536, socket.MSG_DONTWAIT)
        if not part:
            raise ValueError("the peer left")
        received += part
    line, _, rest = received.partition(b"\n")
    return line, rest


def is_ready(connection: socket.socket, events: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(connection, events)
    return bool(poll.poll(max(0.0, seconds) * 1000))
