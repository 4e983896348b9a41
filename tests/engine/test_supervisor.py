from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloads.engine import supervisor
from downloads.engine.spec import Event
from downloads.engine.supervisor import Attempt, ForkServerUnavailable
from tests.engine.processes import Server, a_job, fork_server, members, read_all, wait_until

Pair = tuple[Attempt, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """An attempt, and the end of its connection at which a child would write."""
    ours, theirs = socket.socketpair()
    with theirs, Attempt(ours) as attempt:
        yield attempt, theirs


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with fork_server() as running:
        yield running


def line(name: str, **data: object) -> bytes:
    return json.dumps({"event": name, **data}).encode() + b"\n"


def was_killed(theirs: socket.socket) -> bool:
    theirs.settimeout(1)
    return theirs.recv(100) == b""


def test_gives_what_has_arrived_at_once(pair: Pair) -> None:
    attempt, theirs = pair
    theirs.sendall(line("stage", stage="downloading") + line("log", message="a") + b'{"event"')
    began = time.monotonic()
    assert attempt.read(5) == [
        Event(name="stage", data={"stage": "downloading"}),
        Event(name="log", data={"message": "a"}),
    ]
    assert time.monotonic() - began < 0.5


def test_joins_a_line_that_comes_in_pieces(pair: Pair) -> None:
    attempt, theirs = pair
    whole = line("log", message="naïve \N{FACE WITH TEARS OF JOY}")
    theirs.sendall(whole[:20])
    assert attempt.read(0.05) == []
    theirs.sendall(whole[20:])
    assert attempt.read(1)[0].data["message"] == "naïve \N{FACE WITH TEARS OF JOY}"


def test_silence_takes_no_longer_than_asked(pair: Pair) -> None:
    attempt, _ = pair
    began = time.monotonic()
    assert attempt.read(0.1) == []
    assert attempt.read(0) == []
    assert 0.1 <= time.monotonic() - began < 0.3
    assert not attempt.is_finished


def test_exit_finishes_it(pair: Pair) -> None:
    attempt, theirs = pair
    theirs.sendall(line("done") + line("exit", status=-9))
    assert [event.name for event in attempt.read(1)] == ["done", "exit"]
    assert attempt.is_finished
    assert attempt.exit_status == -9
    assert attempt.read(1) == []


def test_a_connection_that_ends_without_an_exit_finishes_it_without_a_status(pair: Pair) -> None:
    attempt, theirs = pair
    theirs.sendall(line("log", message="last"))
    theirs.close()
    assert [event.name for event in attempt.read(1)] == ["log"]
    attempt.read(1)
    assert attempt.is_finished
    assert attempt.exit_status is None


def test_a_connection_that_is_reset_finishes_it_without_a_status(pair: Pair) -> None:
    attempt, theirs = pair
    attempt.cancel()
    theirs.close()  # with what it has not read
    assert attempt.read(1) == []
    assert attempt.is_finished
    assert attempt.exit_status is None


def test_reads_a_bounded_part_at_once_and_the_rest_later(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt, theirs = pair
    monkeypatch.setattr(supervisor, "_MAX_READ_BYTES", 50_000)
    lines = [line("log", message="x" * 900) for _ in range(100)]
    theirs.sendall(b"".join(lines))
    first = attempt.read(1)
    rest = attempt.read(1)
    assert 0 < len(first) < 100
    assert len(first) + len(rest) == 100


MALFORMED = [
    b"hello\n",
    b"[]\n",
    b"7\n",
    b'"text"\n',
    b"{}\n",
    b'{"event":"surprise"}\n',
    b'{"event":["log"]}\n',
    b'{"event":null}\n',
    b"\xff\n",
    b"[" * 100_000 + b"\n",
    b'{"event":"log","message":"' + b"x" * 1024**2 + b'"}\n',
    b"x" * (1024**2 + 100_000),
]


@pytest.mark.parametrize("malformed", MALFORMED, ids=range(len(MALFORMED)))
def test_a_child_that_writes_no_event_is_killed(pair: Pair, malformed: bytes) -> None:
    attempt, theirs = pair
    theirs.settimeout(1)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 1024**2)
    theirs.sendall(malformed)
    events: list[Event] = []
    while not events:
        events = attempt.read(1)
    assert [(event.name, event.data["code"]) for event in events] == [("error", "internal_error")]
    assert was_killed(theirs)
    theirs.sendall(b"\n" + line("log", message="more") + b"rubbish\n" + line("exit", status=-9))
    assert read_all(attempt) == [Event(name="exit", data={"status": -9})]


def test_a_torn_line_is_no_fault(pair: Pair) -> None:
    attempt, theirs = pair
    theirs.sendall(b'{"event":"log","mes\x18\n' + line("exit", status=-9))
    assert [event.name for event in attempt.read(1)] == ["exit"]


def test_text_that_no_database_takes_is_mended(pair: Pair) -> None:
    attempt, theirs = pair
    theirs.sendall(line("info", title="a\ud800b\x00c", metadata={"tags": ["\udfff", "\N{SNOWMAN}"], "n": 1}))
    (event,) = attempt.read(1)
    assert event.data == {"title": "a\ufffdb\ufffdc", "metadata": {"tags": ["\ufffd", "\N{SNOWMAN}"], "n": 1}}


def test_a_child_that_never_stops_talking_does_not_keep_its_slot(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("floods", tmp_path)) as attempt:
        for _ in range(10):
            began = time.monotonic()
            attempt.read(0.2)
            assert time.monotonic() - began < 0.5


def test_babble_ends_a_real_attempt(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("babbles", tmp_path)) as attempt:
        events = read_all(attempt)
        assert [event.name for event in events] == ["started", "error", "exit"]
        wait_until(lambda: not members(attempt.process_group or 0), seconds=1)


def test_says_when_no_fork_server_is_there(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ForkServerUnavailable):
        Attempt.start(a_job("hello", tmp_path), tmp_path / "none", timeout=0.2)
    assert time.monotonic() - began < 0.5


def test_gives_up_on_a_fork_server_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "s"))
        deaf.listen(0)
        began = time.monotonic()
        waiting = [Attempt.start(a_job("hello", tmp_path), tmp_path / "s", timeout=0.3)]
        with pytest.raises(ForkServerUnavailable):
            waiting.append(Attempt.start(a_job("hello", tmp_path), tmp_path / "s", timeout=0.3))
        assert time.monotonic() - began < 1
        for attempt in waiting:
            attempt.close()


def test_waits_for_a_fork_server_that_is_starting(server: Server, tmp_path: Path) -> None:
    link = tmp_path / "s"
    import threading

    threading.Timer(0.2, lambda: link.symlink_to(server.socket)).start()
    with Attempt.start(a_job("hello", tmp_path / "work"), link, timeout=5) as attempt:
        assert read_all(attempt)[-1].name == "exit"


def test_every_verb_is_harmless_after_the_end(server: Server, tmp_path: Path) -> None:
    with server.start(a_job("hello", tmp_path)) as attempt:
        read_all(attempt)
        attempt.cancel()
        attempt.kill()
    attempt.close()
    attempt.cancel()
    attempt.kill()
    assert attempt.read(1) == []
