"""What the guard spends on its peers: time, memory, files."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from downloads.engine.guard_exchange import GuardLimits
from downloads.engine.guard_policy import Policy
from tests.engine.guard.peers import (
    Client,
    GuardProcess,
    Peer,
    Silent,
    Site,
    framed,
    guard_thread,
    says,
    wait_until,
)

pytestmark = pytest.mark.promise("S1")

MEGABYTE = 1024**2
QUICK = GuardLimits(idle_seconds=1, half_closed_seconds=0.2, head_seconds=0.3, sweep_seconds=0.1, max_connections=3)


@pytest.fixture
def open_policy() -> Policy:
    return Policy.from_environment({"EGRESS_ALLOW": "127.0.0.0/8"})


class TestClientsThatLeave:
    @pytest.mark.parametrize(
        "first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", b"HTTP/1.1 200 OK\r\n\r\nx"]
    )
    def test_take_the_connection_to_the_origin_with_them(self, client: Client, site: Site, first: bytes) -> None:
        site.handlers["/silent"] = silent = Silent(first)
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % site.url("/silent"))
        assert silent.reached.wait(5)
        client.close()

        assert silent.left.wait(2)

    def test_in_the_middle_of_an_upload_take_it_with_them(self, client: Client, site: Site) -> None:
        site.handlers["/silent"] = silent = Silent()
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" % site.url("/silent"))
        assert silent.reached.wait(5)
        client.close()

        assert silent.left.wait(2)

    def test_reset_in_the_middle_of_an_upload_take_it_with_them(self, client: Client, site: Site) -> None:
        site.handlers["/silent"] = silent = Silent()
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" % site.url("/silent"))
        assert silent.reached.wait(5)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

        assert silent.left.wait(2)

    def test_after_an_upload_take_it_with_them(self, client: Client, site: Site) -> None:
        silent = Silent()
        site.handlers["/read"] = lambda peer, head: peer.read(3) == b"abc" and silent(peer, head)
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % site.url("/read"))
        assert silent.reached.wait(5)
        client.close()

        assert silent.left.wait(2)

    def test_close_their_tunnel(self, client: Client, site: Site) -> None:
        site.handlers["/silent"] = silent = Silent()
        client.connect(b"127.0.0.1:%d" % site.port)
        client.send(b"GET /silent HTTP/1.1\r\n\r\n")
        assert silent.reached.wait(5)
        client.close()

        assert silent.left.wait(2)

    def test_leave_no_open_files_behind(self, guard: GuardProcess, site: Site, canary: Site) -> None:
        site.handlers["/hello"] = says(framed(b"hello"))
        site.handlers["/silent"] = Silent()
        with Client(guard.port) as warm:
            warm.get(site.url("/hello"))
        assert wait_until(lambda: guard.open_files() < 20)
        before = guard.open_files()

        for number in range(150):
            client = Client(guard.port)
            match number % 6:
                case 0:
                    client.get(site.url("/hello"))
                case 1:
                    client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % site.url("/silent"))
                case 2:
                    client.connect(b"127.0.0.1:%d" % site.port)
                case 3:
                    client.get(canary.url("/"))
                case 4:
                    client.send(b"GET http://exam")
                case 5:
                    client.get(b"http://127.0.0.1:%d/" % site.port + b" ")
            client.close()

        assert wait_until(lambda: guard.open_files() <= before), f"{before} files before, {guard.open_files()} after"


class TestPace:
    def test_a_client_that_does_not_read_costs_no_memory(self, guard: GuardProcess, site: Site) -> None:
        sent: list[int] = []

        def pour(peer: Peer, _head: bytes) -> bool:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1000 * MEGABYTE))
            for _ in range(1000):
                peer.send(bytes(MEGABYTE))
                sent.append(MEGABYTE)
            return True

        site.handlers["/pour"] = pour
        before = guard.resident_bytes()
        clients = [Client(guard.port) for _ in range(4)]
        for client in clients[:2]:
            client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % site.url("/pour"))
        for client in clients[2:]:
            client.connect(b"127.0.0.1:%d" % site.port)
            client.send(b"GET /pour HTTP/1.1\r\n\r\n")
        assert wait_until(lambda: is_steady(sent))

        assert guard.resident_bytes() - before < 6 * MEGABYTE
        for client in clients:
            client.close()

    def test_an_origin_that_does_not_read_costs_no_memory(self, guard: GuardProcess, site: Site) -> None:
        site.handlers["/deaf"] = deaf = Deaf()
        before = guard.resident_bytes()
        with Client(guard.port) as client:
            client.send(b"PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n" % site.url("/deaf"))
            client.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.send(bytes(500 * MEGABYTE))
            assert guard.resident_bytes() - before < 6 * MEGABYTE
            deaf.release.set()

    def test_two_hundred_downloads_at_once_all_arrive(self, guard: GuardProcess, site: Site) -> None:
        body = os.urandom(50_000)
        site.handlers["/many"] = says(framed(body))
        clients = [Client(guard.port) for _ in range(200)]
        for number, client in enumerate(clients):
            if number % 2:
                client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % site.url("/many"))
            else:
                client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % site.port)
        for client in clients[::2]:
            assert client.reply(is_tunnel=True).status == 200
            client.send(b"GET /many HTTP/1.1\r\n\r\n")

        assert all(client.reply().body == body for client in clients)
        for client in clients:
            client.close()

    def test_a_large_body_arrives_whole(self, client: Client, site: Site) -> None:
        block = os.urandom(MEGABYTE)

        def pour(peer: Peer, _head: bytes) -> bool:
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for size in (1, 100, 16_384, 100_000, MEGABYTE) * 10:
                peer.send(b"%x\r\n%s\r\n" % (size, block[:size]))
            peer.send(b"0\r\n\r\n")
            return True

        site.handlers["/large"] = pour
        expected = b"".join(block[:size] for size in (1, 100, 16_384, 100_000, MEGABYTE) * 10)

        assert client.get(site.url("/large")).body == expected


def status_of(port: int, url: bytes) -> int:
    with Client(port) as client:
        return client.get(url).status


def is_steady(sent: list[int]) -> bool:
    before = len(sent)
    time.sleep(0.2)
    return 0 < before == len(sent)


class Deaf:
    def __init__(self) -> None:
        self.release = threading.Event()

    def __call__(self, _peer: Peer, _head: bytes) -> bool:
        self.release.wait(10)
        return False


class TestPatience:
    @pytest.fixture
    def quick(self, open_policy: Policy) -> Iterator[int]:
        with guard_thread(open_policy, limits=QUICK) as port:
            yield port

    def test_ends_with_a_head_that_does_not_come_to_its_end(self, quick: int) -> None:
        with Client(quick) as client:
            client.send(b"GET http://127.0.0.1/ HTTP/1.1\r\n")
            reply = client.reply()

        assert (reply.status, reply.failed) == (408, "slow_request")

    def test_ends_with_a_head_that_drips(self, quick: int) -> None:
        started = time.monotonic()
        with Client(quick) as client:
            for byte in b"GET http://127.0.0.1/ HTTP/1.1\r\n" * 2:
                try:
                    client.send(bytes([byte]))
                except OSError:
                    break
                if time.monotonic() - started > 0.5:
                    break
                time.sleep(0.02)
            assert client.reply().status == 408

    def test_ends_with_an_idle_connection(self, quick: int) -> None:
        with Client(quick) as client:
            assert client.is_closed()

    def test_ends_with_an_origin_that_does_not_answer(self, quick: int, site: Site) -> None:
        site.handlers["/silent"] = Silent()
        with Client(quick) as client:
            reply = client.get(site.url("/silent"))

        assert (reply.status, reply.failed) == (504, "timeout")

    def test_ends_with_a_tunnel_where_nothing_moves_and_resets_it(self, quick: int, site: Site) -> None:
        site.handlers["/silent"] = silent = Silent(b"some")
        with Client(quick) as client:
            client.connect(b"127.0.0.1:%d" % site.port)
            client.send(b"GET /silent HTTP/1.1\r\n\r\n")
            with pytest.raises(ConnectionError):
                client.read_to_end()

        assert silent.left.wait(2)

    def test_is_shorter_for_a_tunnel_that_is_half_closed(self, quick: int, site: Site) -> None:
        site.handlers["/deaf"] = deaf = Deaf()
        started = time.monotonic()
        with Client(quick) as client:
            client.connect(b"127.0.0.1:%d" % site.port)
            client.send(b"GET /deaf HTTP/1.1\r\n\r\n")
            client.finish()
            assert client.is_closed()
        deaf.release.set()

        assert time.monotonic() - started < QUICK.idle_seconds

    def test_lasts_as_long_as_something_moves(self, quick: int, site: Site) -> None:
        def drip(peer: Peer, _head: bytes) -> bool:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
            for _ in range(8):
                time.sleep(0.2)
                peer.send(b"x")
            return True

        site.handlers["/drip"] = drip
        with Client(quick) as client:
            assert client.get(site.url("/drip")).body == b"xxxxxxxx"

    def test_lasts_through_a_slow_upload(self, quick: int, site: Site) -> None:
        def swallow(peer: Peer, _head: bytes) -> bool:
            peer.send(framed(peer.read(5)))
            return True

        site.handlers["/swallow"] = swallow
        with Client(quick) as client:
            client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n" % site.url("/swallow"))
            for byte in b"abcde":
                time.sleep(0.3)
                client.send(bytes([byte]))
            assert client.reply().body == b"abcde"

    def test_turns_away_what_is_too_much_and_recovers(self, quick: int, site: Site) -> None:
        site.handlers["/hello"] = says(framed(b"hello"))
        held = [Client(quick) for _ in range(QUICK.max_connections)]
        for client in held:
            assert client.get(site.url("/hello")).status == 200
        with Client(quick) as late:
            reply = late.reply()
        for client in held:
            client.close()

        assert (reply.status, reply.failed) == (503, "busy")
        assert wait_until(lambda: status_of(quick, site.url("/hello")) == 200)
