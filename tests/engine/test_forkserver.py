from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from downloads.engine.spec import Event, ProbeRequest
from downloads.engine.supervisor import Attempt, ForkServerUnavailable
from tests.engine.processes import (
    ROOT,
    Server,
    a_job,
    fork_server,
    is_alive,
    members,
    read_all,
    read_until,
    wait_until,
)

SECRETS = {"SECRET_KEY": "s3cret-marker", "DATABASE_URL": "postgres://s3cret-marker", "NO_PROXY": "*", "HOME": "/root"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with fork_server(environment={**os.environ, **SECRETS}) as running:
        yield running


@pytest.fixture
def description(tmp_path: Path) -> dict[str, Any]:
    """What a child without a sandbox sees of itself."""
    job = a_job("describe", tmp_path)
    environment = {**os.environ, **SECRETS}
    with fork_server("--no-sandbox", environment=environment) as server, server.start(job) as attempt:
        events = read_all(attempt)
    return events[1].data


@pytest.mark.parametrize(("probe", "niceness"), [(None, 10), (ProbeRequest(kind="media", max_items=1), 5)])
def test_a_download_gives_way_to_a_look_at_a_page(tmp_path: Path, probe: ProbeRequest | None, niceness: int) -> None:
    with fork_server("--no-sandbox") as server, server.start(a_job("describe", tmp_path, probe=probe)) as attempt:
        assert read_all(attempt)[1].data["niceness"] == niceness


def descriptors(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def log_of(server: Server) -> str:
    return (server.socket.parent / "log").read_text()


def talk(server: Server, data: bytes) -> bytes:
    """The answer to a peer that sends this and no more."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(str(server.socket))
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while part := peer.recv(65536):
            answer += part
        return answer


def test_a_job_starts_reports_and_ends(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("hello", tmp_path)) as attempt:
        events = read_all(attempt)
    assert [event.name for event in events] == ["started", "log", "done", "exit"]
    started = events[0].data
    assert started["process_group"] != started["pid"]
    assert events[-1].data == {"status": 0}


def test_says_which_ytdlp_it_has_loaded(tmp_path: Path) -> None:
    from yt_dlp.version import __version__

    job = a_job("hello", tmp_path)
    with fork_server(child="tests.engine.children_of_ytdlp:run") as server, server.start(job) as attempt:
        events = read_until(attempt, "started")
    assert events[0].data["ytdlp_version"] == __version__


def test_the_socket_belongs_to_its_user_alone(server: Server) -> None:
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o600


def test_a_child_gets_only_the_variables_that_are_meant_for_it(description: dict[str, Any], tmp_path: Path) -> None:
    names = set(description["environment"])
    assert names <= {
        "PATH",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "LD_LIBRARY_PATH",
        "HOME",
        "TMPDIR",
        "MEDIADL_ATTEMPT",
    } | {name for name in names if name.startswith(("SSL_CERT_", "CURL_CA_", "REQUESTS_CA_"))}
    assert description["environment"]["HOME"] == "/nonexistent"
    assert description["environment"]["TMPDIR"] == f"{tmp_path}/.tmp"


def test_starts_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "s"
    command = [sys.executable, "-m", "downloads.engine.forkserver", "--socket", str(path)]
    command += ["--child", "tests.engine.children:run"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_until(path.exists, seconds=10)
        process.terminate()


def test_no_secret_is_left_in_the_memory_a_child_inherits(description: dict[str, Any]) -> None:
    assert "PATH=" in description["first_environment"]
    assert "s3cret-marker" not in description["first_environment"]


def test_a_child_stands_where_it_should(description: dict[str, Any], tmp_path: Path) -> None:
    assert description["directory"] == str(tmp_path)
    assert description["group"] == description["session"] == description["parent"]
    assert int(description["oom"]) >= 500


def test_a_child_inherits_its_connection_and_nothing_else(description: dict[str, Any]) -> None:
    assert len(description["descriptors"]) == 4


def test_other_attempts_do_not_keep_a_connection_open(server: Server, tmp_path: Path) -> None:
    """Each child would hold its predecessors' connections open if one leaked into it."""
    attempts = [server.start(a_job("sleeps", tmp_path)) for _ in range(3)]
    with attempts[0] as first, attempts[1], attempts[2]:
        for attempt in attempts:
            read_until(attempt, "log")
        first.kill()
        assert [event.name for event in read_all(first, seconds=1)] == ["exit"]
        assert attempts[1].read(0.1) == attempts[2].read(0) == []


@pytest.mark.unmeasured
def test_a_hundred_attempts_leave_no_descriptor_and_no_zombie(server: Server, tmp_path: Path) -> None:
    before = descriptors(server)
    for _ in range(100):
        with server.start(a_job("hello", tmp_path)) as attempt:
            read_all(attempt)
    assert descriptors(server) == before
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    wait_until(lambda: not children.read_text(), seconds=1)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xfe\x00\n", b"[]\n", b"null\n", b'{"url":1}\n', b"{" * 5000 + b"\n"],
)
def test_garbage_is_refused_and_harms_nobody(server: Server, tmp_path: Path, garbage: bytes) -> None:
    refusal, end = map(Event.from_line, talk(server, garbage).splitlines())
    assert (refusal.name, refusal.data["code"]) == ("error", "internal_error")
    assert end == Event(name="exit", data={"status": 1})
    test_a_job_starts_reports_and_ends(server, tmp_path)


def test_an_endless_line_is_refused(server: Server) -> None:
    assert b"internal_error" in talk(server, b"x" * (1024**2 + 1))


def test_a_peer_that_says_nothing_holds_nobody_up(server: Server, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(server.socket))
        test_a_job_starts_reports_and_ends(server, tmp_path)


STRANGER = """
import os, socket, sys
os.setuid(65534)
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(5)
peer.connect(sys.argv[1])
try:
    peer.sendall(sys.argv[2].encode() + b"\\n")
    print(peer.recv(100))
except ConnectionError:
    print(b"")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_refused_even_where_the_files_let_it_in(tmp_path: Path) -> None:
    with fork_server() as server:
        server.socket.parent.chmod(0o755)
        server.socket.chmod(0o666)
        command = [sys.executable, "-c", STRANGER, str(server.socket), a_job("hello", tmp_path).to_json()]
        assert subprocess.check_output(command, text=True) == "b''\n"
        assert "65534" in log_of(server)


def test_a_job_that_comes_while_no_file_can_be_opened_waits_for_one(tmp_path: Path) -> None:
    with fork_server() as server:
        pid = server.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(server), hard))
        with server.start(a_job("hello", tmp_path)) as attempt:
            wait_until(lambda: "cannot accept" in log_of(server), seconds=10)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            assert read_all(attempt)[-1].data == {"status": 0}


def test_a_job_is_told_that_there_is_no_room_for_another_process(tmp_path: Path) -> None:
    with fork_server(child="tests.engine.children_never_born:run") as server:
        for _ in range(2):
            with server.start(a_job("hello", tmp_path)) as attempt:
                refusal, end = read_all(attempt)
            assert (refusal.name, refusal.data["code"]) == ("error", "internal_error")
            assert "cannot fork: Resource temporarily unavailable" in refusal.data["message"]
            assert end.data == {"status": 1}


def test_a_leash_that_fails_ends_its_attempt_alone_and_says_why(tmp_path: Path) -> None:
    with fork_server(child="tests.engine.children_of_a_barren_leash:run") as server:
        for _ in range(2):
            with server.start(a_job("hello", tmp_path)) as attempt:
                assert read_all(attempt) == []
            assert attempt.exit_status is None
        assert "a leash failed" in log_of(server)


def test_warns_of_threads_that_a_fork_would_lose() -> None:
    with fork_server(child="tests.engine.children_beside_a_thread:run") as server:
        assert "children_beside_a_thread left threads behind" in log_of(server)


def test_starts_over_a_socket_that_a_dead_server_left(tmp_path: Path) -> None:
    with fork_server() as server:
        server.process.kill()
        server.process.wait()
        assert server.socket.exists()
        command = [*server.process.args[:-1], server.process.args[-1]]  # type: ignore[index]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as successor:
            with Attempt.start(a_job("hello", tmp_path), server.socket, timeout=10) as attempt:
                assert read_all(attempt)[-1].data == {"status": 0}
            successor.terminate()


def test_sigterm_stops_it_at_once_and_its_attempts_go_on(tmp_path: Path) -> None:
    with fork_server() as server:
        with server.start(a_job("sleeps", tmp_path)) as attempt:
            read_until(attempt, "log")
            began = time.monotonic()
            server.process.terminate()
            assert server.process.wait(timeout=2) == 0
            assert time.monotonic() - began < 1
            assert not server.socket.exists()
            assert attempt.read(0.2) == []
            assert len(members(attempt.process_group or 0)) == 2
            with pytest.raises(ForkServerUnavailable):
                Attempt.start(a_job("hello", tmp_path), server.socket, timeout=0.1)
        wait_until(lambda: not members(attempt.process_group or 0), seconds=1)


def test_leaves_the_socket_of_its_successor_alone(tmp_path: Path) -> None:
    with fork_server() as server:
        first = server.socket.stat().st_ino
        with subprocess.Popen(server.process.args, cwd=ROOT, stderr=subprocess.DEVNULL) as successor:
            wait_until(lambda: server.socket.stat().st_ino != first, seconds=20)
            server.process.terminate()
            assert server.process.wait(timeout=10) == 0
            with server.start(a_job("hello", tmp_path)) as attempt:
                assert read_all(attempt)[-1].data == {"status": 0}
            successor.terminate()


PARENT = """
import subprocess, sys
print(subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL).pid, flush=True)
sys.stdin.read()
"""


def test_dies_with_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "s"
    command = [sys.executable, "-m", "downloads.engine.forkserver", "--socket", str(path)]
    command += ["--child", "tests.engine.children:run"]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        wait_until(path.exists, seconds=10)
        parent.send_signal(signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), seconds=1)


def test_imports_no_django_and_has_one_thread(server: Server) -> None:
    assert len(list(Path(f"/proc/{server.process.pid}/task").iterdir())) == 1
    code = "import sys, downloads.engine.forkserver, downloads.engine.supervisor;"
    code += "print('django' in sys.modules, 'yt_dlp' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "False False\n"
