"""The layers behind a real uvicorn, with real sockets and curl."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.asgi.server import Server, serve

SIZE = 24 * 1024 * 1024
NAME = "Übergröße ☃ 50%.mp4"

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site") / "files"
    root.mkdir()
    (root / "large").write_bytes(os.urandom(SIZE))
    (root / NAME).write_bytes(b"unicode")
    (root.parent / "secret").write_bytes(b"secret")
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    with serve(root, root.parent / "log", SITE_SEND_TIMEOUT="60") as server:
        yield server


@pytest.fixture
def own_server(root: Path, tmp_path: Path) -> Iterator[Server]:
    """For tests that end it or need short times."""
    with serve(root, tmp_path / "log", SITE_SEND_TIMEOUT="1") as server:
        yield server


def until(is_true: Callable[[], bool], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read_until(connection: socket.socket, text: bytes) -> bytes:
    data = b""
    while text not in data:
        part = connection.recv(65536)
        assert part, data
        data += part
    return data


def read_to_the_end(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_downloads_and_ranges_are_the_files_bytes(server: Server, root: Path) -> None:
    content = (root / "large").read_bytes()
    assert server.get("/files/large").content == content
    part = server.get("/files/large", range="bytes=1000000-2999999")
    assert (part.status_code, part.content) == (206, content[1_000_000:3_000_000])
    assert server.get("/files/large", if_none_match=part.headers["etag"]).status_code == 304
    assert server.get("/files/large", range=f"bytes={SIZE}-").status_code == 416


def test_nothing_private_leaves_the_process(server: Server) -> None:
    for path in ("/files/large", "/files/gone", "/", "/stream"):
        assert not [name for name in server.get(path, range="bytes=0-9").headers if name.startswith("x-accel")]


def test_names_in_any_script_are_found(server: Server) -> None:
    assert server.get("/files/" + quote(NAME)).content == b"unicode"


@pytest.mark.parametrize(
    "path", ["/files/../secret", "/files/%2e%2e/secret", "/files/..%2fsecret", "/files//etc/passwd"]
)
def test_no_path_leads_out(server: Server, path: str) -> None:
    with server.ask(path, "Connection: close") as connection:
        answer = read_to_the_end(connection)
    assert b"secret" not in answer
    assert b"root:" not in answer
    assert answer.startswith(b"HTTP/1.1 404")


@pytest.mark.needs("curl")
def test_curl_resumes_to_the_same_bytes(server: Server, root: Path, tmp_path: Path) -> None:
    content = (root / "large").read_bytes()
    for cut in (0, 1, 262_144, 5_000_001, SIZE - 1):
        (tmp_path / "part").write_bytes(content[:cut])
        url = f"{server.url}/files/large"
        subprocess.run(["curl", "-sS", "-f", "-C", "-", "-o", "part", url], cwd=tmp_path, check=True, timeout=20)
        assert hashlib.sha256((tmp_path / "part").read_bytes()).digest() == hashlib.sha256(content).digest()


def test_keep_alive_survives_heads_parts_and_refusals(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        assert client.head("/files/large").headers["content-length"] == str(SIZE)
        assert client.get("/files/large", headers={"range": "bytes=5-9"}).headers["content-length"] == "5"
        assert client.get("/files/large", headers={"if-match": '"x"'}).status_code == 412
        assert client.get("/files/gone").status_code == 404
        assert client.get("/").text == "hello"


def test_slow_clients_do_not_hold_up_a_request(server: Server) -> None:
    connections = [server.ask("/files/large") for _ in range(200)]
    try:
        for connection in connections:
            assert connection.recv(12) == b"HTTP/1.1 200"
        begin = time.monotonic()
        assert server.get("/").text == "hello"
        assert time.monotonic() - begin < 1
        assert server.handles() == 200
    finally:
        for connection in connections:
            connection.close()
    until(lambda: server.handles() == 0)


def test_slow_readers_and_senders_hold_no_thread(server: Server) -> None:
    """There are two threads."""
    readers = [server.ask("/stream") for _ in range(5)]
    senders = [server.ask("/upload", "Content-Length: 1000", method="POST") for _ in range(5)]
    time.sleep(0.2)
    begin = time.monotonic()
    assert server.get("/").text == "hello"
    assert time.monotonic() - begin < 1
    for connection in readers + senders:
        connection.close()


def test_a_reader_that_has_stalled_is_cut_off(own_server: Server) -> None:
    with own_server.ask("/files/large") as connection:
        until(lambda: own_server.handles() == 1)
        until(lambda: own_server.handles() == 0, seconds=5)
        with pytest.raises(ConnectionResetError):
            read_to_the_end(connection)
    assert "ERROR" not in own_server.log.read_text()


@pytest.mark.parametrize("headers", [["Content-Length: 3000000"], ["Transfer-Encoding: chunked"]])
def test_uploads_arrive_whole(server: Server, headers: list[str]) -> None:
    def body() -> Iterator[bytes]:
        yield from [b"x" * 30_000] * 100

    content = body() if "chunked" in headers[0] else b"x" * 3_000_000
    assert httpx.post(f"{server.url}/upload", content=content).text == "3000000"


def test_an_upload_that_is_too_large_is_refused_before_it_is_read(server: Server) -> None:
    with server.ask("/upload", f"Content-Length: {10**12}", "Expect: 100-continue", method="POST") as connection:
        answer = read_to_the_end(connection)
    assert answer.startswith(b"HTTP/1.1 413")


def test_reports_a_download_that_was_read_to_its_end_and_no_other(server: Server, root: Path) -> None:
    (root / "reported").write_bytes(b"x" * 9_000_000)
    (root / "broken").write_bytes(b"x" * 9_000_000)
    with server.ask("/files/broken") as connection:
        connection.recv(1000)
    server.get("/files/reported")
    sent = root.parent / "sent"
    until(lambda: sent.exists() and "reported" in sent.read_text())
    until(lambda: server.handles() == 0)
    assert "broken" not in sent.read_text()


def test_events_flow_and_resume(server: Server) -> None:
    with server.ask("/events/flow") as connection:
        head = read_until(connection, b"nothing")
        assert b"content-type: text/event-stream" in head
        assert b"x-accel-buffering: no" in head
        assert b"retry: 2000" in head
        server.get("/publish/flow?first")
        first = read_until(connection, b"data: first\n\n")
    last = first.split(b"id: ")[-1].split(b"\n")[0].decode()
    server.get("/publish/flow?missed")
    with server.ask("/events/flow", f"Last-Event-ID: {last}") as connection:
        assert b"first" not in read_until(connection, b"data: missed\n\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_ends_its_streams_and_goes(own_server: Server, number: signal.Signals) -> None:
    with own_server.ask("/events/job") as connection:
        read_until(connection, b"nothing")
        begin = time.monotonic()
        own_server.process.send_signal(number)
        assert read_until(connection, b"0\r\n\r\n").endswith(b"0\r\n\r\n")
        own_server.process.wait(6)
    assert time.monotonic() - begin < 2
    assert "ERROR" not in own_server.log.read_text()


def test_a_download_that_never_ends_does_not_keep_the_server(root: Path, tmp_path: Path) -> None:
    with serve(root, tmp_path / "log", graceful_seconds=1) as server, server.ask("/files/large") as connection:
        connection.recv(1000)
        assert 1 <= server.stop() < 4


def test_a_view_that_still_works_is_waited_for(own_server: Server) -> None:
    with own_server.ask("/slow") as connection:
        time.sleep(0.2)
        assert own_server.stop() < 3
        assert b"slept" in read_until(connection, b"slept")
