from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloads.engine.leash import max_disk_bytes
from downloads.engine.spec import Event, Limits
from downloads.engine.supervisor import Attempt
from tests.engine.processes import (
    ROOT,
    Server,
    a_job,
    fork_server,
    is_alive,
    kill,
    members,
    read_all,
    read_until,
    wait_until,
)

pytestmark = pytest.mark.promise("P4")

UNCOOPERATIVE = ("sleeps", "is_stubborn", "holds_the_interpreter")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with fork_server() as running:
        yield running


def ready(server: Server, name: str, work: Path) -> tuple[Attempt, int]:
    attempt = server.start(a_job(name, work))
    read_until(attempt, "log")
    assert attempt.process_group
    return attempt, attempt.process_group


def errors(events: list[Event]) -> list[str]:
    return [event.data["code"] for event in events if event.name == "error"]


def test_reports_the_exit_status_last(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("status_seven", tmp_path)) as attempt:
        events = read_all(attempt)
    assert [event.name for event in events] == ["started", "exit"]
    assert attempt.exit_status == 7


def test_reports_a_crash_as_a_negative_status(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("crashes", tmp_path)) as attempt:
        read_all(attempt)
    assert attempt.exit_status == -signal.SIGSEGV


def test_reports_an_exception_that_nobody_caught(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("fails", tmp_path)) as attempt:
        events = read_all(attempt)
    assert events[1].data == {"code": "internal_error", "message": "LookupError: it is not there", "retry_after": None}
    assert attempt.exit_status == 1


@pytest.mark.parametrize("name", UNCOOPERATIVE)
def test_cancel_ends_everything_within_a_second(server: Server, tmp_path: Path, name: str) -> None:
    attempt, group = ready(server, name, tmp_path)
    with attempt:
        began = time.monotonic()
        attempt.cancel()
        read_all(attempt)
    wait_until(lambda: not members(group), seconds=1)
    assert time.monotonic() - began < 1
    assert attempt.exit_status is not None
    assert attempt.exit_status < 0


def test_cancel_lets_a_child_that_listens_tidy_up(server: Server, tmp_path: Path) -> None:
    attempt, _ = ready(server, "tidies_up", tmp_path)
    with attempt:
        attempt.cancel()
        events = read_all(attempt)
    assert events[0].data["message"] == "tidy"
    assert attempt.exit_status == 3


@pytest.mark.parametrize("name", UNCOOPERATIVE)
def test_kill_ends_everything_at_once(server: Server, tmp_path: Path, name: str) -> None:
    attempt, group = ready(server, name, tmp_path)
    with attempt:
        began = time.monotonic()
        attempt.kill()
        read_all(attempt)
        assert time.monotonic() - began < 0.4
    assert attempt.exit_status == -signal.SIGKILL
    wait_until(lambda: not members(group), seconds=1)


@pytest.mark.parametrize("name", UNCOOPERATIVE)
def test_a_slot_that_lets_go_leaves_nobody_behind(server: Server, tmp_path: Path, name: str) -> None:
    attempt, group = ready(server, name, tmp_path)
    attempt.close()
    wait_until(lambda: not members(group), seconds=1)


def test_a_slot_that_says_something_else_is_no_slot(server: Server, tmp_path: Path) -> None:
    attempt, group = ready(server, "sleeps", tmp_path)
    with attempt:
        attempt._connection.sendall(b"format the disk\n")
        read_all(attempt)
    assert attempt.exit_status == -signal.SIGKILL
    wait_until(lambda: not members(group), seconds=1)


def test_a_slot_that_never_ends_its_line_is_no_slot(server: Server, tmp_path: Path) -> None:
    attempt, group = ready(server, "sleeps", tmp_path)
    with attempt:
        attempt._connection.sendall(b"cancel, or rather")
        read_all(attempt)
    assert attempt.exit_status == -signal.SIGKILL
    wait_until(lambda: not members(group), seconds=5)


def test_a_slot_that_lets_go_of_what_it_has_not_read_leaves_nobody_behind(server: Server, tmp_path: Path) -> None:
    attempt = server.start(a_job("floods", tmp_path))
    read_until(attempt, "log")
    assert attempt.process_group
    attempt.close()
    wait_until(lambda: not members(attempt.process_group or 0), seconds=5)


def test_a_slot_that_resets_its_connection_leaves_nobody_behind(server: Server, tmp_path: Path) -> None:
    """It has read nothing. Unlike the one above, the child says no more, so that it is the leash that is told."""
    attempt = server.start(a_job("sleeps", tmp_path))
    said = b""
    while b"ready" not in said:
        said = attempt._connection.recv(4096, socket.MSG_PEEK)
    group = Event.from_line(said.splitlines()[0]).data["process_group"]
    attempt.close()
    wait_until(lambda: not members(group), seconds=5)


def test_a_cancel_that_is_sent_with_the_job_counts(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("is_stubborn", tmp_path)) as attempt:
        attempt.cancel()
        read_all(attempt, seconds=2)
    assert attempt.exit_status is not None
    assert attempt.exit_status < 0


def test_what_a_finished_child_left_running_is_killed(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("leaves_a_process", tmp_path)) as attempt:
        read_all(attempt)
        assert attempt.process_group
        assert attempt.exit_status == 0
        wait_until(lambda: not members(attempt.process_group or 0), seconds=5)


def test_what_left_the_process_group_is_killed_too(tmp_path: Path) -> None:
    with fork_server("--no-sandbox") as server, server.start(a_job("leaves_a_daemon", tmp_path)) as attempt:
        events = read_all(attempt)
    (daemon,) = (event.data["daemon"] for event in events if event.name == "log")
    assert events[0].data["sandbox"] == "off"
    wait_until(lambda: not is_alive(daemon), seconds=5)


def test_the_wall_clock_limit_ends_an_attempt(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("is_stubborn", tmp_path, limits={"wall_clock_seconds": 0.4})) as attempt:
        events = read_all(attempt)
    assert errors(events) == ["timeout"]
    assert events[-1].name == "exit"


def test_a_slot_that_falls_silent_loses_its_attempt(tmp_path: Path) -> None:
    with fork_server(child="tests.engine.children_of_the_impatient:run") as server:
        attempt, group = ready(server, "is_stubborn", tmp_path)
        with attempt:
            for _ in range(4):
                attempt.beat()
                assert attempt.read(0.25) == []
            events = read_all(attempt)
        wait_until(lambda: not members(group), seconds=1)
    assert errors(events) == ["worker_lost"]


def test_a_slot_that_never_promised_to_speak_may_be_silent(tmp_path: Path) -> None:
    with fork_server(child="tests.engine.children_of_the_impatient:run") as server:
        attempt, group = ready(server, "sleeps", tmp_path)
        with attempt:
            assert attempt.read(0.8) == []
            assert len(members(group)) == 2


@pytest.mark.parametrize("name", ["fills_memory", "fills_memory_in_a_grandchild"])
def test_memory_over_the_limit_ends_an_attempt(server: Server, tmp_path: Path, name: str) -> None:
    with server.start(a_job(name, tmp_path, limits={"memory_bytes": 300 * 1024**2})) as attempt:
        events = read_all(attempt)
        assert errors(events) == ["too_large"]
        assert "memory" in events[-2].data["message"]
        wait_until(lambda: not members(attempt.process_group or 0), seconds=5)


def test_disk_over_the_limit_ends_an_attempt(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("fills_disk", tmp_path, limits={"max_bytes": 1024**2})) as attempt:
        events = read_all(attempt)
    assert errors(events) == ["too_large"]
    assert "disk" in events[-2].data["message"]


def test_an_attempt_that_breaks_two_limits_at_once_is_told_one(server: Server, tmp_path: Path) -> None:
    """The disk is looked at once a second, and here time is up at the first look."""
    with (tmp_path / "before").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max_disk_bytes(Limits(max_bytes=1024**2)) + 1)
    limits = {"wall_clock_seconds": 1.0, "max_bytes": 1024**2}
    with server.start(a_job("sleeps", tmp_path, limits=limits)) as attempt:
        assert errors(read_all(attempt)) == ["timeout"]


def test_what_forks_faster_than_it_is_killed_takes_the_leash_with_it(tmp_path: Path) -> None:
    with fork_server(child="tests.engine.children_of_the_hasty:run") as server:
        with server.start(a_job("leaves_a_process", tmp_path)) as attempt:
            events = read_all(attempt)
            assert [event.name for event in events] == ["started", "done"]
            wait_until(lambda: not members(attempt.process_group or 0), seconds=5)
        assert attempt.exit_status is None


def test_a_child_whose_leash_died_at_once_does_nothing(tmp_path: Path) -> None:
    """It goes by itself: the fork server, which would kill it, is held up meanwhile."""
    with fork_server(child="tests.engine.children_of_a_dead_leash:run") as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        with server.start(a_job("hello", tmp_path)) as attempt:
            wait_until(lambda: state_of(server.process.pid) == "T", seconds=20)
            (leash,) = map(int, children.read_text().split())
            wait_until(lambda: not members(leash), seconds=20)
            server.process.send_signal(signal.SIGCONT)
            assert read_all(attempt) == []
        wait_until(lambda: not children.read_text(), seconds=5)
    assert attempt.exit_status is None


def state_of(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]


def test_a_slot_that_does_not_read_does_not_hold_the_leash_up(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("floods", tmp_path, limits={"wall_clock_seconds": 0.5})) as attempt:
        events = read_until(attempt, "started")
        group = events[0].data["process_group"]
        wait_until(lambda: members(group) == [group], seconds=2)
        events += read_all(attempt)
    assert errors(events) == ["timeout"]
    assert attempt.exit_status == -signal.SIGKILL
    wait_until(lambda: not members(group), seconds=1)


def test_a_line_that_a_killed_child_left_unfinished_is_dropped(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("dies_in_mid_sentence", tmp_path)) as attempt:
        events = read_all(attempt)
    assert [event.name for event in events] == ["started", "exit"]


SLOT = """
import sys, time
from downloads.engine.spec import JobSpec
from downloads.engine.supervisor import Attempt
attempt = Attempt.start(JobSpec.from_json(sys.argv[2]), sys.argv[1])
while not attempt.process_group: attempt.read(1)
attempt.read(1)
print(attempt.process_group, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("name", UNCOOPERATIVE)
def test_nobody_survives_a_killed_slot(server: Server, tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-c", SLOT, str(server.socket), a_job(name, tmp_path).to_json()]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as slot:
        assert slot.stdout
        group = int(slot.stdout.readline())
        wait_until(lambda: len(members(group)) >= (2 if name == "sleeps" else 3), seconds=2)
        slot.kill()
    wait_until(lambda: not members(group), seconds=2)


@pytest.mark.parametrize("name", UNCOOPERATIVE)
def test_nobody_survives_a_killed_leash(server: Server, tmp_path: Path, name: str) -> None:
    attempt, group = ready(server, name, tmp_path)
    with attempt:
        kill(group)
        wait_until(lambda: not members(group), seconds=2)
        read_all(attempt)
    assert attempt.exit_status is None


@pytest.mark.parametrize("name", UNCOOPERATIVE)
def test_nobody_survives_a_killed_child(server: Server, tmp_path: Path, name: str) -> None:
    attempt = server.start(a_job(name, tmp_path))
    with attempt:
        events = read_until(attempt, "log")
        kill(events[0].data["pid"])
        read_all(attempt)
    assert attempt.exit_status == -signal.SIGKILL
    wait_until(lambda: not members(attempt.process_group or 0), seconds=2)


def test_an_attempt_outlives_a_killed_fork_server(tmp_path: Path) -> None:
    with fork_server() as server:
        attempt, group = ready(server, "is_stubborn", tmp_path)
        server.process.kill()
        server.process.wait()
        with attempt:
            assert attempt.read(0.3) == []
            assert len(members(group)) == 3
            attempt.cancel()
            read_all(attempt)
        wait_until(lambda: not members(group), seconds=2)
    assert attempt.exit_status == -signal.SIGKILL


def test_nobody_survives_a_killed_leash_whose_fork_server_is_gone(tmp_path: Path) -> None:
    with fork_server() as server:
        attempt, group = ready(server, "sleeps", tmp_path)
        server.process.kill()
        server.process.wait()
        with attempt:
            kill(group)
            wait_until(lambda: not members(group), seconds=2)


def test_the_next_fork_server_kills_what_nobody_was_left_to_kill(tmp_path: Path) -> None:
    with fork_server() as server:
        attempt, group = ready(server, "is_stubborn", tmp_path)
        other, living = ready(server, "sleeps", tmp_path)
        server.process.kill()
        server.process.wait()
        kill(group)
        wait_until(lambda: len(members(group)) == 1, seconds=2)
    with attempt, other, fork_server():
        wait_until(lambda: not members(group), seconds=1)
        assert len(members(living)) == 2


def test_fifty_attempts_run_side_by_side_and_leave_nobody(server: Server, tmp_path: Path) -> None:
    attempts = [server.start(a_job("sleeps", tmp_path / str(number))) for number in range(50)]
    groups = [read_until(attempt, "log") and attempt.process_group for attempt in attempts]
    assert len(set(groups) - {None}) == 50
    for attempt in attempts:
        attempt.close()
    wait_until(lambda: not any(Path(f"/proc/{group}").exists() for group in groups), seconds=2)
