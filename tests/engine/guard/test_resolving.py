"""Names: looked up once, judged by all their answers, connected to the address that was judged."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from downloads.engine import guard_dial
from downloads.engine.guard_dial import Dialer, FailedError, Resolver, is_own_address
from downloads.engine.guard_policy import DeniedError, Policy, Target
from tests.engine.guard.peers import ROOT, Client, ScriptedResolver, Site, framed, guard_thread, says

pytestmark = pytest.mark.promise("S1")


@pytest.fixture
def origin_site() -> Iterator[Site]:
    running = Site()
    running.handlers["/"] = says(framed(b"hello"))
    yield running
    running.close()


def policy_for(site: Site) -> Policy:
    return Policy.from_environment({"EGRESS_ALLOW": f"127.0.0.1:{site.port}", "EGRESS_PORTS": str(site.port)})


class TestRebinding:
    def test_a_name_is_looked_up_once_for_a_connection(self, origin_site: Site) -> None:
        resolver = ScriptedResolver(answers={"rebind.example": [["127.0.0.1"], ["127.0.0.2"]]})
        with guard_thread(policy_for(origin_site), resolve=resolver) as port, Client(port) as client:
            for _ in range(3):
                assert client.get(origin_site.url("/", host="rebind.example")).body == b"hello"

        assert resolver.asked == ["rebind.example"]
        assert origin_site.connections == 1

    def test_the_next_connection_is_judged_by_the_next_answer(self, origin_site: Site) -> None:
        resolver = ScriptedResolver(answers={"rebind.example": [["127.0.0.1"], ["127.0.0.2"]]})
        with guard_thread(policy_for(origin_site), resolve=resolver) as port:
            with Client(port) as first:
                assert first.get(origin_site.url("/", host="rebind.example")).status == 200
            with Client(port) as second:
                assert second.get(origin_site.url("/", host="rebind.example")).denied == "loopback"

        assert origin_site.connections == 1

    @pytest.mark.parametrize("answer", [["127.0.0.1", "127.0.0.2"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::1"]])
    def test_a_mixed_answer_is_refused_without_a_connection(self, origin_site: Site, answer: list[str]) -> None:
        resolver = ScriptedResolver(answers={"mixed.example": [answer]})
        with guard_thread(policy_for(origin_site), resolve=resolver) as port:
            with Client(port) as client:
                assert client.get(origin_site.url("/", host="mixed.example")).status == 403
            with Client(port) as client:
                assert client.connect(f"mixed.example:{origin_site.port}".encode()).status == 403

        assert origin_site.connections == 0

    def test_a_refused_port_or_domain_is_not_even_looked_up(self, origin_site: Site) -> None:
        resolver = ScriptedResolver(answers={})
        policy = Policy.from_environment({"EGRESS_DOMAINS_BLOCKED": "blocked.example"})
        with guard_thread(policy, resolve=resolver) as port:
            for url in (b"http://x.example:25/", b"http://a.blocked.example/"):
                with Client(port) as client:
                    assert client.get(url).status == 403

        assert resolver.asked == []

    def test_a_literal_address_is_not_looked_up(self, origin_site: Site) -> None:
        resolver = ScriptedResolver(answers={})
        with guard_thread(policy_for(origin_site), resolve=resolver) as port, Client(port) as client:
            assert client.get(origin_site.url("/")).status == 200

        assert resolver.asked == []


class TestConnecting:
    def test_goes_on_to_the_next_address_when_one_is_dead(self, origin_site: Site) -> None:
        policy = Policy.from_environment({"EGRESS_ALLOW": "127.0.0.0/8, ::1"})
        resolver = ScriptedResolver(answers={"many.example": [["::1", "127.0.0.9", "127.0.0.1"]]})
        with guard_thread(policy, resolve=resolver) as port, Client(port) as client:
            assert client.get(origin_site.url("/", host="many.example")).body == b"hello"

    def test_tries_the_next_address_beside_one_that_is_silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def open_or_hang(address: str, port: int) -> socket.socket:
            if address != "10.0.0.3":
                await asyncio.sleep(60)
            return socket.socket()

        monkeypatch.setattr(guard_dial, "_open", open_or_hang)
        dialer = Dialer(
            Policy.from_environment({"EGRESS_ALLOW": "10.0.0.0/8"}),
            ScriptedResolver(answers={"slow.example": [["10.0.0.1", "10.0.0.2", "10.0.0.3"]]}),
        )
        started = time.monotonic()
        asyncio.run(dialer.connect(Target(host="slow.example", port=80))).close()

        assert 0.4 < time.monotonic() - started < 2

    def test_closes_the_connections_that_lose(self, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[socket.socket] = []

        async def race() -> list[bool]:
            all_stand = asyncio.Event()

            async def open_together(address: str, _port: int) -> socket.socket:
                opened.append(socket.socket())
                if address == "10.0.0.3":
                    all_stand.set()
                await all_stand.wait()
                return opened[int(address[-1]) - 1]

            monkeypatch.setattr(guard_dial, "_open", open_together)
            winner = await guard_dial._race(["10.0.0.1", "10.0.0.2", "10.0.0.3"], 80)
            await asyncio.sleep(0.05)
            is_open = [each.fileno() >= 0 for each in opened]
            winner.close()
            return is_open

        assert sorted(asyncio.run(race())) == [False, False, True]

    def test_waits_for_a_silent_address_when_the_last_one_is_dead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The silent one has a queue that is full, until the other has failed."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            queue = [socket.create_connection(silent.getsockname())]
            port = silent.getsockname()[1]
            monkeypatch.setattr(guard_dial, "STAGGER_SECONDS", 0.01)

            async def connect() -> int:
                dialling = asyncio.create_task(guard_dial._race(["127.0.0.1", "127.0.0.2"], port))
                await asyncio.sleep(0.3)
                assert not dialling.done()
                silent.accept()[0].close()
                with await asyncio.wait_for(dialling, 20) as connected:
                    return int(connected.getpeername()[1])

            assert asyncio.run(connect()) == port
            queue[0].close()

    def test_takes_the_families_in_turn(self) -> None:
        mixed = guard_dial._interleaved(["2a00::1", "2a00::2", "2a00::3", "1.1.1.1", "1.1.1.2"])

        assert mixed == ["2a00::1", "1.1.1.1", "2a00::2", "1.1.1.2", "2a00::3"]

    def test_knows_an_address_of_this_machine(self) -> None:
        assert is_own_address("127.0.0.1")
        assert is_own_address("::1")

    def test_takes_an_address_that_no_way_leads_to_for_nobody_s_own(self) -> None:
        """In another process: here sockets may connect to loopback alone, and this one asks for everybody."""
        script = "from downloads.engine.guard_dial import is_own_address; print(is_own_address('255.255.255.255'))"
        assert subprocess.check_output([sys.executable, "-c", script], cwd=ROOT) == b"False\n"


class BrokenResolver:
    async def __call__(self, host: str) -> list[str]:
        raise RuntimeError("a defect of ours")


class TestBreaking:
    def test_costs_one_connection_and_is_logged(self, origin_site: Site, caplog: pytest.LogCaptureFixture) -> None:
        with guard_thread(policy_for(origin_site), resolve=BrokenResolver()) as port:
            with Client(port) as client:
                client.send(b"GET http://any.example:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % origin_site.port)
                assert client.is_closed()
            with Client(port) as client:
                assert client.get(origin_site.url("/")).body == b"hello"

        assert [(record.message, record.__dict__["reason"]) for record in caplog.records] == [
            ("session_crashed", "RuntimeError")
        ]


class TestLookingUp:
    def test_asks_the_system(self) -> None:
        assert "127.0.0.1" in asyncio.run(look_up("localhost"))

    @pytest.mark.parametrize("host", ["x" * 64, "naïve.example"])
    def test_says_when_there_is_no_such_name(self, host: str) -> None:
        with pytest.raises(OSError, match=r"."):
            asyncio.run(look_up(host))

    def test_an_answer_without_addresses_is_no_answer(self) -> None:
        dialer = Dialer(Policy(), ScriptedResolver(answers={"empty.example": [[]]}))
        with pytest.raises(FailedError, match="dns"):
            asyncio.run(dialer.connect(Target(host="empty.example", port=80)))

    def test_says_so_where_no_thread_can_be_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        async def ask() -> None:
            with monkeypatch.context() as patched:
                patched.setattr(threading.Thread, "start", refuse)
                await look_up("localhost")

        with pytest.raises(OSError, match="thread"):
            asyncio.run(ask())

    def test_gives_up_in_bounded_time_and_delays_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()
        monkeypatch.setattr(guard_dial, "_look_up", lambda _host: release.wait(20) and [])
        monkeypatch.setattr(guard_dial, "LOOK_UP_SECONDS", 0.2)
        started = time.monotonic()

        with pytest.raises(FailedError, match="dns"):
            asyncio.run(Dialer(Policy()).connect(Target(host="stuck.example", port=80)))

        assert time.monotonic() - started < 2
        release.set()

    def test_keeps_the_number_of_stuck_threads_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()
        stuck: list[str] = []

        def look_up_for_ever(host: str) -> list[str]:
            stuck.append(host)
            release.wait(20)
            return ["10.0.0.1"]

        async def ask_many() -> list[BaseException | socket.socket]:
            dialer = Dialer(Policy())
            asked = [dialer.connect(Target(host=f"h{number}.example", port=80)) for number in range(100)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            release.set()
            return found

        monkeypatch.setattr(guard_dial, "_look_up", look_up_for_ever)
        monkeypatch.setattr(guard_dial, "LOOK_UP_SECONDS", 0.2)
        found = asyncio.run(ask_many())

        assert len(stuck) == guard_dial.MAX_LOOK_UPS
        assert all(isinstance(error, FailedError) for error in found)

    def test_recovers_when_stuck_threads_return(self, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()

        def look_up_slowly(_host: str) -> list[str]:
            release.wait(20)
            return ["10.0.0.1"]

        async def ask_twice() -> list[BaseException | socket.socket]:
            dialer = Dialer(Policy())
            targets = [Target(host="h.example", port=80)] * (guard_dial.MAX_LOOK_UPS + 5)
            await asyncio.gather(*map(dialer.connect, targets), return_exceptions=True)
            release.set()
            monkeypatch.setattr(guard_dial, "LOOK_UP_SECONDS", 5)
            return await asyncio.gather(*map(dialer.connect, targets), return_exceptions=True)

        monkeypatch.setattr(guard_dial, "_look_up", look_up_slowly)
        monkeypatch.setattr(guard_dial, "LOOK_UP_SECONDS", 0.2)

        assert all(isinstance(error, DeniedError) for error in asyncio.run(ask_twice()))

    def test_keeps_the_scope_of_an_answer(self) -> None:
        assert guard_dial._address(("fe80::1", 0, 0, 2)) == "fe80::1%2"
        assert guard_dial._address(("fe80::1%eth0", 0, 0, 2)) == "fe80::1%eth0"
        assert guard_dial._address(("::1", 0, 0, 0)) == "::1"


async def look_up(host: str) -> list[str]:
    return list(await Resolver()(host))
