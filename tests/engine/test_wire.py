from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from downloads.engine import wire

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_waits_for_a_peer_that_reads_slowly(pair: Pair) -> None:
    ours, theirs = pair
    data = b"x" * 4 * 1024**2
    received = bytearray()

    def read() -> None:
        while len(received) < len(data):
            received.extend(theirs.recv(4096))

    reader = threading.Thread(target=read)
    reader.start()
    wire.send(ours, data, seconds=60)
    reader.join()
    assert received == data


def test_gives_up_on_a_peer_that_does_not_read(pair: Pair) -> None:
    ours, _ = pair
    wire.send(ours, b"x" * 4 * 1024**2, seconds=0.1)


def test_gives_the_first_line_and_what_followed(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(b"first\nsecond\nthi")
    assert wire.receive_line(ours, seconds=5) == (b"first", b"second\nthi")


def test_refuses_a_line_without_end(pair: Pair) -> None:
    ours, theirs = pair

    def write() -> None:
        with suppress(OSError):
            theirs.sendall(b"x" * 2 * wire.MAX_LINE_BYTES)

    writer = threading.Thread(target=write)
    writer.start()
    with pytest.raises(ValueError, match="too long"):
        wire.receive_line(ours, seconds=60)
    ours.close()
    writer.join()


def test_refuses_a_peer_that_is_silent_or_leaves(pair: Pair) -> None:
    ours, theirs = pair
    with pytest.raises(ValueError, match="in time"):
        wire.receive_line(ours, seconds=0.01)
    theirs.close()
    with pytest.raises(ValueError, match="left"):
        wire.receive_line(ours, seconds=5)
