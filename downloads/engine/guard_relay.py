"""Bytes from one socket to another, at the pace of the slower one.

Raw sockets and one shared block instead of streams: measured twice as fast, and an idle connection holds no buffer.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from downloads.engine.guard_bodies import Body

BLOCK_BYTES = 512 * 1024  # half of it costs a quarter of the speed, twice as much gains little
HEAD_BYTES = 64 * 1024

_READ_BYTES = 16 * 1024
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class CutError(ConnectionError):
    """The source ended or broke inside a body."""


class HeadTooLargeError(Exception):
    pass


class Wire:
    """A connected socket, what was read from it too early, and how many bytes have moved.

    `is_unframed` while only the end of the connection marks the end of what is being sent to the peer.
    """

    __slots__ = ("_descriptor", "_loop", "buffer", "is_unframed", "moved", "socket")

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)  # noqa: FBT003 - positional only
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self._descriptor = connected.fileno()  # a selector that misses a socket spends its time on the repr
        self.buffer = bytearray()
        self.moved = 0
        self.is_unframed = False
        self._loop = asyncio.get_running_loop()

    async def fill(self) -> bool:
        """Reads something. False at the end of the stream."""
        data = await self._loop.sock_recv(self.socket, _READ_BYTES)
        self.buffer += data
        self.moved += len(data)
        return bool(data)

    async def read_head(self) -> bytes:
        """Up to and including the first empty line. Raises CutError or HeadTooLargeError."""
        start = 0
        while (end := _END_OF_HEAD.search(self.buffer, start)) is None:
            if len(self.buffer) > HEAD_BYTES:
                raise HeadTooLargeError
            start = max(0, len(self.buffer) - 3)
            if not await self.fill():
                raise CutError
        if end.end() > HEAD_BYTES:
            raise HeadTooLargeError
        return self.take(end.end())

    def take(self, count: int) -> bytes:
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def take_body(self, body: Body) -> bytes:
        with memoryview(self.buffer) as view:
            count = body.take(view)
        return self.take(count)

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.socket, data)
        self.moved += len(data)

    def may_go_on(self) -> bool:
        """Whether the peer has neither closed nor vanished; waits for nothing."""
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def is_quiet(self) -> bool:
        """Open, and with nothing unread, so that what comes next answers what is sent next."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return not self.buffer
        except OSError:
            pass
        return False

    def on_readable(self, callback: Callable[[], None]) -> None:
        self._loop.add_reader(self._descriptor, callback)

    def on_writable(self, callback: Callable[[], None]) -> None:
        self._loop.add_writer(self._descriptor, callback)

    def ignore_readable(self) -> None:
        if self.socket.fileno() >= 0:
            self._loop.remove_reader(self._descriptor)

    def ignore_writable(self) -> None:
        if self.socket.fileno() >= 0:
            self._loop.remove_writer(self._descriptor)

    def finish(self) -> None:
        """No more will be sent; the peer may go on."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Resets where the peer would take a close for the end of what it was promised."""
        if self.is_unframed:
            with suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.ignore_readable()  # or the next socket of this number would inherit the callbacks
        self.ignore_writable()
        self.socket.close()


class Relay:
    """Owns the block that all connections of one event loop read into."""

    def __init__(self) -> None:
        self._block = memoryview(bytearray(BLOCK_BYTES))

    async def pump(self, source: Wire, sink: Wire, body: Body, prefix: bytes = b"") -> None:
        """Sends `prefix`, then the body. Raises CutError, MessageError, or the sink's OSError."""
        first = prefix + source.take_body(body)
        if first:
            await sink.send(first)
        if body.is_complete:
            return
        pump = _Pump(self._block, source, sink, body)
        try:
            await pump.done
        finally:
            pump.stop()


class _Pump:
    """Callbacks, not coroutines: no wake-up of a task and no change of the selector for each block.

    A block is sent in the callback that read it, so the shared one is free again; only what the sink would not take
    is copied, and nothing more is read until that is gone.
    """

    __slots__ = ("_block", "_body", "_rest", "_sink", "_source", "done")

    def __init__(self, block: memoryview, source: Wire, sink: Wire, body: Body) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._block, self._source, self._sink, self._body = block, source, sink, body
        self._rest = memoryview(b"")
        source.on_readable(self._read)

    def stop(self) -> None:
        self._source.ignore_readable()
        self._sink.ignore_writable()

    def _read(self) -> None:
        try:
            count = self._source.socket.recv_into(self._block[: self._body.wanted(BLOCK_BYTES)])
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._settle(CutError(*error.args))
            return
        try:
            self._move(count)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the pump
            self._settle(error)

    def _move(self, count: int) -> None:
        if not count:
            self._settle(None if self._body.ends_with_connection else CutError())
            return
        self._source.moved += count
        taken = self._body.take(self._block[:count])
        self._source.buffer += self._block[taken:count]
        self._pass_on(taken)

    def _pass_on(self, count: int) -> None:
        sent = self._send(self._block[:count])
        if sent == count:
            self._settle_if_complete()
            return
        self._rest = memoryview(bytes(self._block[sent:count]))
        self._source.ignore_readable()
        self._sink.on_writable(self._write)

    def _write(self) -> None:
        try:
            self._rest = self._rest[self._send(self._rest) :]
        except OSError as error:
            self._settle(error)
            return
        if not self._rest:
            self._sink.ignore_writable()
            self._source.on_readable(self._read)
            self._settle_if_complete()

    def _send(self, data: memoryview) -> int:
        try:
            sent = self._sink.socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        self._sink.moved += sent
        return sent

    def _settle_if_complete(self) -> None:
        if self._body.is_complete:
            self._settle(None)

    def _settle(self, error: Exception | None) -> None:
        self.stop()
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
