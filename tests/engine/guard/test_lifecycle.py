"""How the guard starts, counts and ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from downloads.engine.guard_exchange import GuardLimits
from downloads.engine.guard_policy import Policy
from downloads.engine.guard_stats import Stats
from tests.engine.guard.peers import (
    LOCAL,
    ROOT,
    Client,
    GuardProcess,
    Silent,
    Site,
    await_answer,
    framed,
    guard_process,
    guard_thread,
    says,
    wait_until,
)

pytestmark = pytest.mark.promise("S1")


class TestCounting:
    def test_writes_verdicts_to_a_file_while_it_runs(self, site: Site, tmp_path: Path) -> None:
        site.handlers["/hello"] = says(framed(b"hello" * 1000))
        path = tmp_path / "stats.json"
        with guard_thread(
            Policy.from_environment({"EGRESS_ALLOW": LOCAL}), limits=GuardLimits(sweep_seconds=0.1), stats=Stats(path)
        ) as port:
            with Client(port) as client:
                client.get(site.url("/hello"))
                client.get(site.url("/hello"))
            for url in (b"http://10.0.0.1/", b"http://10.0.0.1/", b"http://[::1]/", b"/"):
                with Client(port) as client:
                    client.get(url)
            assert wait_until(lambda: path.exists() and json.loads(path.read_text())["connections"] == 5)
            assert wait_until(lambda: json.loads(path.read_text())["open_connections"] == 0)
            counted = json.loads(path.read_text())

        assert counted["allowed"] == 2
        assert counted["denied"] == {"private": 2, "loopback": 1}
        assert counted["failed"] == {"bad_request": 1}
        assert counted["relayed_bytes"] > 10_000
        assert counted["pid"] == os.getpid()
        assert [file.name for file in tmp_path.iterdir()] == ["stats.json"]

    def test_writes_nothing_while_nothing_changes(self, tmp_path: Path) -> None:
        stats = Stats(tmp_path / "stats.json")
        stats.save()
        first = (tmp_path / "stats.json").stat()
        stats.save()

        assert (tmp_path / "stats.json").stat().st_ino == first.st_ino
        stats.allowed += 1
        stats.save()
        assert (tmp_path / "stats.json").stat().st_ino != first.st_ino

    def test_goes_on_when_it_cannot_write(self, tmp_path: Path) -> None:
        Stats(tmp_path / "absent" / "stats.json").save()

    def test_writes_nothing_where_another_directory_has_taken_the_place_of_its_own(self, tmp_path: Path) -> None:
        place, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
        place.mkdir()
        stats = Stats(place / "stats.json")
        place.rename(elsewhere)
        place.mkdir()
        stats.save()

        assert list(place.iterdir()) == []
        assert [path.name for path in elsewhere.iterdir()] == ["stats.json"]

    def test_leaves_no_draft_of_what_it_cannot_write(self, tmp_path: Path) -> None:
        (tmp_path / "stats.json").mkdir()
        Stats(tmp_path / "stats.json").save()
        assert [path.name for path in tmp_path.iterdir()] == ["stats.json"]


class TestStartAndEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_at_once_with_all_its_connections(self, site: Site, number: int) -> None:
        site.handlers["/silent"] = Silent()
        with guard_process(EGRESS_ALLOW=f"{LOCAL}:{site.port}") as own:
            tunnel, plain, idle = (Client(own.port) for _ in range(3))
            tunnel.connect(b"127.0.0.1:%d" % site.port)
            plain.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % site.url("/silent"))
            assert wait_until(lambda: own.open_files() >= 10)
            started = time.monotonic()
            own.process.send_signal(number)

            assert own.process.wait(5) == 0
            assert time.monotonic() - started < 1
            assert all(client.is_closed() for client in (tunnel, plain, idle))
            assert own.stats["connections"] == 3
            assert {line["event"] for line in own.log} == {"guard_listening"}
            for client in (tunnel, plain, idle):
                client.close()

    def test_dies_with_its_parent(self) -> None:
        script = (
            "import subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-m', 'downloads.engine.guard', '--port', '0'],"
            " stderr=subprocess.PIPE)\n"
            "print(child.pid, child.stderr.readline().decode(), flush=True)\n"
            "sys.stdin.read()"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert parent.stdout is not None
        assert parent.stdin is not None
        child, _, listening = parent.stdout.readline().decode().partition(" ")
        assert "guard_listening" in listening
        parent.kill()
        parent.wait()
        parent.stdin.close()
        parent.stdout.close()

        assert wait_until(lambda: not is_running(int(child)), seconds=2)

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "localhost"])
    def test_listens_on_loopback_alone(self, host: str) -> None:
        assert "loopback" in failure_of("--port", "0", "--host", host)

    def test_listens_anywhere_when_told_that_the_network_is_its_own(self) -> None:
        command = [sys.executable, "-m", "downloads.engine.guard", "--port", "0", "--host", "0.0.0.0", "--off-loopback"]
        command += ["--log-format", "json"]
        with subprocess.Popen(command, cwd=ROOT, env={}, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            said = json.loads(process.stderr.readline())
            await_answer(int(said["address"].rpartition(":")[2]))
            process.terminate()
        assert (said["event"], said["address"].partition(":")[0]) == ("guard_listening", "0.0.0.0")

    def test_serves_at_a_port_and_takes_the_files_it_may_have(self, site: Site) -> None:
        site.handlers["/hello"] = says(framed(b"hello"))
        command = ["prlimit", "--nofile=256:1024", sys.executable, "-m", "downloads.engine.guard", "--port", "0"]
        environment = {"EGRESS_ALLOW": f"{LOCAL}:{site.port}", "PATH": os.environ["PATH"]}
        with subprocess.Popen(
            [*command, "--log-format", "json"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            port = int(json.loads(process.stderr.readline())["address"].rpartition(":")[2])
            with Client(port) as client:
                assert client.get(site.url("/hello")).body == b"hello"
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (1024, 1024)
            process.terminate()
            assert process.wait(10) == 0

    def test_goes_on_when_it_could_open_no_more_files(self, site: Site) -> None:
        site.handlers["/hello"] = says(framed(b"hello"))
        with guard_process(EGRESS_ALLOW=f"{LOCAL}:{site.port}") as own:
            await_answer(own.port)
            assert wait_until(lambda: own.open_files() < 20)
            soft, hard = resource.prlimit(own.process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(own.process.pid, resource.RLIMIT_NOFILE, (3, hard))
            with Client(own.port) as client:
                assert wait_until(lambda: any(line["event"] == "accept_failed" for line in own.log))
                resource.prlimit(own.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
                assert client.get(site.url("/hello")).body == b"hello"

    def test_refuses_an_inherited_socket_that_others_reach(self) -> None:
        with socket.socket() as listener:
            listener.bind(("0.0.0.0", 0))
            assert "loopback" in failure_of("--fd", str(listener.fileno()), keep=[listener.fileno()])

    @pytest.mark.parametrize("name", ["EGRESS_ALLOW", "EGRESS_PORTS"])
    def test_names_the_setting_that_is_wrong(self, name: str) -> None:
        assert f"guard: {name}: " in failure_of("--port", "0", environment={name: "10.0.0.1/8"})

    @pytest.mark.unmeasured
    def test_is_light(self, guard: GuardProcess) -> None:
        rollup = Path(f"/proc/{guard.process.pid}/smaps_rollup").read_text()
        proportional = int(rollup.partition("Pss:")[2].split()[0])

        assert proportional < 20_000

    def test_imports_neither_django_nor_yt_dlp(self) -> None:
        script = "import sys, downloads.engine.guard; print([n for n in ('django', 'yt_dlp') if n in sys.modules])"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)

        assert done.stdout == b"[]\n"


def failure_of(*arguments: str, keep: Sequence[int] = (), environment: dict[str, str] | None = None) -> str:
    command = [sys.executable, "-m", "downloads.engine.guard", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment or {}, pass_fds=keep, capture_output=True, timeout=10, check=False
    )
    assert done.returncode == 1
    return done.stderr.decode()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
