from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import imageio_ffmpeg
import pytest

from downloads.engine import sandbox, seccomp
from tests.engine.processes import ROOT, Server, a_job, fork_server, read_all

pytestmark = [
    pytest.mark.promise("S2"),
    pytest.mark.skipif(sandbox.probe().level != "full", reason="this kernel has no full sandbox"),
]

REFUSED = {"EACCES", "EPERM"}
MEBIBYTE = 1024**2
Try = Callable[..., Any]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with fork_server(child="tests.engine.confined:run") as running:
        yield running


class _Guard(http.server.BaseHTTPRequestHandler):
    """Answers for every host, as a forward proxy would."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def guard() -> Iterator[int]:
    """The port of a server that stands where the egress guard would."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Guard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def other_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """DATA_DIR/work/<job>, with a neighbour and a database beside it."""
    (tmp_path / "db.sqlite3").write_text("rows")
    (tmp_path / "work/other").mkdir(parents=True)
    (tmp_path / "work/other/video.mp4").write_text("theirs")
    (tmp_path / "work/mine").mkdir()
    return tmp_path / "work/mine"


@pytest.fixture
def attempt(server: Server, guard: int, work: Path) -> Try:
    def go(deed: str, *arguments: object, **changes: Any) -> Any:
        query = quote(json.dumps(list(map(str, arguments))), safe="")
        job = a_job(f"{deed}?{query}", work, proxy_url=f"http://127.0.0.1:{guard}", **changes)
        with server.start(job) as running:
            events = read_all(running)
        assert events[0].data["sandbox"] == "full"
        return events[1].data["result"] if events[1].name == "log" else events[1]

    return go


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/etc/shadow", "/proc/1/environ", "/proc/self/environ", "/proc/self/mem"]
)
def test_cannot_read_what_the_system_keeps(attempt: Try, path: str) -> None:
    assert attempt("reads", path) in REFUSED


@pytest.mark.parametrize("path", ["../../db.sqlite3", "../other/video.mp4"])
def test_cannot_touch_the_data_of_others(attempt: Try, work: Path, path: str) -> None:
    for deed in ("reads", "writes", "appends", "truncates", "removes"):
        assert attempt(deed, path) in REFUSED
    assert (work / path).read_text() in {"rows", "theirs"}


@pytest.mark.parametrize("path", ["..", "../..", "/", "/etc", "/proc", "/tmp", "/home", "/root", str(ROOT)])
def test_cannot_look_around(attempt: Try, path: str) -> None:
    assert attempt("lists", path) in REFUSED


@pytest.mark.parametrize("path", ["../new", "/tmp/new", "/dev/shm/new", "/usr/bin/new", "/var/tmp/new"])
def test_cannot_write_outside(attempt: Try, path: str) -> None:
    assert attempt("writes", path) in REFUSED


def test_cannot_change_the_code_that_the_next_child_runs(attempt: Try) -> None:
    assert attempt("appends", sandbox.__file__) in REFUSED
    assert attempt("writes", f"{sys.prefix}/lib/new.pth") in REFUSED


def test_cannot_link_others_files_into_its_directory(attempt: Try) -> None:
    assert attempt("links", "../../db.sqlite3", "mine") in {*REFUSED, "EXDEV"}
    assert attempt("links_symbolically", "../../db.sqlite3", "mine") in REFUSED


def test_cannot_execute_what_it_downloaded(attempt: Try) -> None:
    assert attempt("executes_what_it_wrote") in REFUSED


def test_cannot_read_more_because_its_own_directory_is_reached_by_a_link(attempt: Try, work: Path) -> None:
    (work / "door").symlink_to("/etc/passwd")
    assert attempt("reads", "door") in REFUSED


def test_connects_to_the_guard_only(attempt: Try, guard: int, other_port: int) -> None:
    assert attempt("connects", "127.0.0.1", guard) == "connected"
    assert attempt("connects", "127.0.0.1", other_port) in REFUSED
    assert attempt("opens_by_sending", "127.0.0.1", other_port) in REFUSED
    assert attempt("connects", "192.0.2.1", 443) in REFUSED


def test_cannot_serve(attempt: Try) -> None:
    assert attempt("binds") in REFUSED
    assert attempt("listens") in REFUSED


@pytest.mark.parametrize(
    ("family", "kind", "protocol"),
    [
        ("AF_INET", "SOCK_DGRAM", 0),
        ("AF_INET6", "SOCK_DGRAM", 0),
        ("AF_INET", "SOCK_RAW", 1),
        ("AF_INET", "SOCK_STREAM", 262),  # MPTCP
        ("AF_INET", "SOCK_STREAM", 132),  # SCTP
        ("AF_UNIX", "SOCK_STREAM", 0),
        ("AF_UNIX", "SOCK_DGRAM", 0),
        ("AF_NETLINK", "SOCK_RAW", 0),
        ("AF_PACKET", "SOCK_RAW", 0),
        ("AF_VSOCK", "SOCK_STREAM", 0),
        ("AF_ALG", "SOCK_SEQPACKET", 0),
    ],
)
def test_has_no_sockets_but_tcp(attempt: Try, family: str, kind: str, protocol: int) -> None:
    assert attempt("makes_a_socket", family, kind, protocol) in REFUSED


def test_pairs_of_sockets_are_for_its_own_threads_only(attempt: Try) -> None:
    assert attempt("makes_a_pair", "SOCK_STREAM") == "made"
    assert attempt("makes_a_pair", "SOCK_DGRAM") in REFUSED


def test_refuses_every_call_of_the_list(attempt: Try) -> None:
    column = ("x86_64", "aarch64").index(os.uname().machine)
    numbers = {name: pair[column] for name, pair in seccomp._REFUSED.items() if pair[column] is not None}
    outcomes = dict(zip(numbers, attempt("calls_each", *numbers.values()), strict=True))
    assert {name: outcome for name, outcome in outcomes.items() if outcome != "EPERM"} == {}


@pytest.mark.parametrize("flag", [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000])
def test_cannot_make_namespaces(attempt: Try, flag: int) -> None:
    column = ("x86_64", "aarch64").index(os.uname().machine)
    assert attempt("calls", seccomp._CLONE[column], flag | 17, 0, 0, 0) == "EPERM"
    assert attempt("calls", seccomp._CLONE3[column], 0, 0) == "ENOSYS"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x32 is an ABI of x86_64")
def test_calls_of_another_abi_lead_around_nothing(attempt: Try) -> None:
    assert attempt("calls", 0x40000000 + 41, socket.AF_INET, socket.SOCK_DGRAM, 0) == "ENOSYS"


def test_cannot_signal_its_leash_or_anybody_else(attempt: Try, server: Server) -> None:
    assert attempt("signals", server.process.pid) in REFUSED
    assert attempt("signals", os.getpid()) in REFUSED
    assert attempt("signals", 1) in REFUSED


def test_cannot_leave_the_group_that_its_leash_kills(attempt: Try) -> None:
    assert attempt("leaves_its_group") in REFUSED


def test_cannot_take_more_memory_than_its_limit(attempt: Try) -> None:
    limits = {"memory_bytes": 1024 * MEBIBYTE}
    assert attempt("gets_memory", 1200 * MEBIBYTE, limits=limits) == "ENOMEM"
    assert attempt("gets_memory", 512 * MEBIBYTE, limits=limits) == "got"


def test_cannot_write_a_larger_file_than_its_limit(attempt: Try) -> None:
    limits = {"max_bytes": 10 * MEBIBYTE}
    assert attempt("writes_much", 80 * MEBIBYTE, limits=limits) == "EFBIG"
    assert attempt("writes_much", 11 * MEBIBYTE, limits=limits) == "written"


def test_cannot_open_files_without_end(attempt: Try) -> None:
    assert attempt("opens_many_files") == "EMFILE"


def test_cannot_raise_its_limits_again(attempt: Try) -> None:
    assert attempt("raises_its_limits") in REFUSED


def test_what_it_starts_is_confined_as_well(attempt: Try, work: Path) -> None:
    assert "Permission denied" in attempt("runs", "cat", "/etc/passwd")
    concat = work / "list.txt"
    concat.write_text("file '/etc/hostname'\n")
    assert attempt("runs", "ffmpeg", "-v", "error", "-f", "data", "-i", "/etc/passwd", "-f", "data", "out")[0] != "0"
    assert not (work / "out").exists()


def test_everything_a_job_does_with_its_own_files_works(attempt: Try) -> None:
    assert attempt("works_in_its_directory") == "123 []"


@pytest.mark.parametrize("ffmpeg", [shutil.which("ffmpeg"), imageio_ffmpeg.get_ffmpeg_exe()])
def test_ffmpeg_merges_recodes_extracts_and_embeds(attempt: Try, ffmpeg: str | None) -> None:
    if not ffmpeg:
        pytest.skip("no ffmpeg on PATH")
    assert attempt("makes_and_converts_media", ffmpeg, ffmpeg_location=ffmpeg) == [
        "audio.m4a",
        "cover.jpg",
        "covered.mp4",
        "merged.mp4",
        "recoded.webm",
        "sound.mp3",
        "video.mp4",
    ]


def test_an_ffmpeg_from_elsewhere_may_be_run(attempt: Try, tmp_path: Path) -> None:
    elsewhere = tmp_path / "opt/ffmpeg"
    elsewhere.parent.mkdir()
    shutil.copy(imageio_ffmpeg.get_ffmpeg_exe(), elsewhere)
    assert attempt("runs", elsewhere, "-version") in REFUSED
    assert "ffmpeg version" in attempt("runs", elsewhere, "-version", ffmpeg_location=str(elsewhere))


DENO = str(Path(sys.prefix, "bin/deno"))
# As yt-dlp starts it.
DENO_RUN = [DENO, "run", "--ext=js", "--no-code-cache", "--no-prompt", "--no-remote", "--no-lock"]
DENO_RUN += ["--node-modules-dir=none", "--no-config", "--cached-only"]


@pytest.mark.skipif(not Path(DENO).exists(), reason="no deno")
def test_deno_solves_scripts(attempt: Try, work: Path) -> None:
    (work / "script.js").write_text("const a = []; for (let i = 0; i < 1e6; i++) a.push({i}); console.log(a.length)")
    assert attempt("runs", *DENO_RUN, "script.js") == "0 1000000"


def test_fetches_by_the_guard(attempt: Try, guard: int) -> None:
    proxy = f"http://127.0.0.1:{guard}"
    assert attempt("fetches", "http://site.test/page", proxy) == "http://site.test/page"
    assert attempt("fetches_like_a_browser", "http://site.test/page", proxy) == "http://site.test/page"


def test_knows_certificate_authorities(attempt: Try) -> None:
    assert attempt("trusts_authorities") is True


def test_threads_and_processes_work(attempt: Try) -> None:
    assert attempt("threads_and_processes") == "0"


def test_a_job_that_requires_a_sandbox_is_refused_without_one(tmp_path: Path) -> None:
    with fork_server("--no-sandbox") as server, server.start(a_job("hello", tmp_path, require_sandbox=True)) as running:
        events = read_all(running)
    assert [event.name for event in events] == ["started", "error", "exit"]
    assert events[1].data["code"] == "missing_dependency"
    assert running.exit_status == 1


def test_a_job_that_requires_a_sandbox_runs_in_one(tmp_path: Path) -> None:
    with fork_server() as server, server.start(a_job("hello", tmp_path, require_sandbox=True)) as running:
        assert "done" in [event.name for event in read_all(running)]
