"""Single sockets of the guard, in states that two peers cannot be brought into at a given moment."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from downloads.engine.guard_bodies import Length
from downloads.engine.guard_relay import Relay, Wire
from tests.engine.guard.peers import LOCAL

pytestmark = pytest.mark.promise("S1")

Pair = tuple[socket.socket, socket.socket]


def a_pair() -> Pair:
    """Two ends of a connection by TCP, the first with next to no room for what is being sent."""
    with socket.create_server((LOCAL, 0)) as listener:
        near = socket.socket()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        near.connect(listener.getsockname())
        far, _ = listener.accept()
    far.settimeout(10)
    return near, far


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = a_pair()
    with near, far:
        yield near, far


def await_news(end: socket.socket) -> None:
    """Until something is to be read from it, or its peer has gone; takes neither."""
    poll = select.poll()
    poll.register(end, select.POLLIN)
    assert poll.poll(10_000)


class TestLooking:
    """A look takes nothing and waits for nothing. The kernel tells of a reset once, so each has its own."""

    @pytest.fixture(params=[Wire.may_go_on, Wire.is_quiet], ids=["may_go_on", "is_quiet"])
    def look(self, request: pytest.FixtureRequest, pair: Pair) -> Callable[[], bool]:
        async def one() -> bool:
            return bool(request.param(Wire(pair[0])))

        return lambda: asyncio.run(one())

    def test_at_a_peer_that_is_silent(self, look: Callable[[], bool]) -> None:
        assert look()

    def test_at_a_peer_that_has_said_something(
        self, look: Callable[[], bool], pair: Pair, request: pytest.FixtureRequest
    ) -> None:
        pair[1].send(b"x")
        await_news(pair[0])
        assert look() == ("may_go_on" in request.node.name)
        assert pair[0].recv(10) == b"x"

    def test_at_a_peer_that_has_ended(self, look: Callable[[], bool], pair: Pair) -> None:
        pair[1].close()
        await_news(pair[0])
        assert not look()

    def test_at_a_peer_that_has_reset(self, look: Callable[[], bool], pair: Pair) -> None:
        pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pair[1].close()
        await_news(pair[0])
        assert not look()


class TestClosing:
    def test_twice_touches_nothing_of_who_has_its_number_now(self) -> None:
        async def close_twice() -> bytes:
            first, gone = a_pair()
            wire = Wire(first)
            number = first.fileno()
            wire.close()
            gone.close()
            near, far = a_pair()
            with far:
                heir = Wire(near)
                if near.fileno() != number:
                    os.dup2(near.fileno(), number)
                    heir = Wire(socket.socket(fileno=number))
                arrived = asyncio.Event()
                heir.on_readable(arrived.set)
                wire.close()
                far.send(b"x")
                await asyncio.wait_for(arrived.wait(), 10)
                await heir.fill()
                heir.close()
                near.close()
            return bytes(heir.buffer)

        assert asyncio.run(close_twice()) == b"x"


class TestRelaying:
    def test_waits_for_a_sink_that_takes_nothing_and_then_a_little_at_a_time(self) -> None:
        body = os.urandom(300_000)

        async def relay() -> bytes:
            source, origin = a_pair()
            sink, client = a_pair()
            with origin, client:
                sender, receiver = Wire(source), Wire(sink)
                filled = 0
                with suppress(BlockingIOError):
                    while True:
                        filled += sink.send(b"-" * 100)
                pumping = asyncio.create_task(Relay().pump(sender, receiver, Length(len(body))))
                loop = asyncio.get_running_loop()
                sending = loop.run_in_executor(None, origin.sendall, body)
                await asyncio.sleep(0.1)
                assert not pumping.done()
                received = await loop.run_in_executor(None, read, client, filled + len(body))
                await asyncio.gather(pumping, sending)
                sender.close()
                receiver.close()
            return received[filled:]

        assert asyncio.run(relay()) == body

    def test_takes_a_wake_up_without_bytes_for_nothing(self) -> None:
        async def relay() -> bytes:
            source, origin = a_pair()
            sink, client = a_pair()
            with origin, client:
                sender, receiver = Wire(source), Wire(sink)
                pumping = asyncio.create_task(Relay().pump(sender, receiver, Length(4)))
                await asyncio.sleep(0)
                origin.send(b"gone")
                await_news(source)
                # Runs in the turn in which the loop finds the source readable, and before the relay does.
                asyncio.get_running_loop().call_soon(source.recv, 4)
                await asyncio.sleep(0.05)
                assert not pumping.done()
                origin.send(b"here")
                await asyncio.wait_for(pumping, 10)
                sender.close()
                receiver.close()
                return read(client, 4)

        assert asyncio.run(relay()) == b"here"


def read(end: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count and (part := end.recv(count - len(received))):
        received += part
    return received
