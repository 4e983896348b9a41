"""What stands around a guard in its tests: raw origins and clients, and the guard as a process or a thread."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

from downloads.engine.guard import Guard
from downloads.engine.guard_dial import Resolve
from downloads.engine.guard_exchange import GuardLimits
from downloads.engine.guard_policy import Policy
from downloads.engine.guard_stats import Stats

ROOT = Path(__file__).parents[3]
LOCAL = "127.0.0.1"


class Peer:
    """One end of a connection, with a bounded wait."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(10)
        self.socket = connected
        self._file: BinaryIO = connected.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, count: int) -> bytes:
        return self._file.read(count)

    def read_to_end(self) -> bytes:
        return self._file.read()

    def read_head(self) -> bytes:
        """Empty at the end of the stream."""
        lines = []
        while line := self._file.readline():
            lines.append(line)
            if line == b"\r\n":
                return b"".join(lines)
        return b""

    def is_closed(self) -> bool:
        try:
            return not self._file.read(1)
        except ConnectionError:
            return True

    def finish(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._file.close()
        self.socket.close()


Handler = Callable[[Peer, bytes], bool]


class Site:
    """An origin whose every byte a test decides: a handler for each path answers, and says whether to go on."""

    def __init__(self, host: str = LOCAL) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.handlers: dict[str, Handler] = {}
        self.heads: list[bytes] = []
        self.connections = 0
        self._peers: list[Peer] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str, host: str = LOCAL) -> bytes:
        return f"http://{host}:{self.port}{path}".encode()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            with suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connected, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(Peer(connected),), daemon=True).start()

    def _serve(self, peer: Peer) -> None:
        self._peers.append(peer)
        with suppress(OSError, ValueError):
            while head := peer.read_head():
                self.heads.append(head)
                path = head.split(b" ")[1].decode().partition("?")[0]
                if not self.handlers[path](peer, head):
                    break
        with suppress(OSError):
            peer.close()


def says(answer: bytes, *, goes_on: bool = True) -> Handler:
    def handler(peer: Peer, _head: bytes) -> bool:
        peer.send(answer)
        return goes_on

    return handler


def says_and_resets(answer: bytes) -> Handler:
    def handler(peer: Peer, _head: bytes) -> bool:
        peer.send(answer)
        time.sleep(0.05)  # a reset overtakes what has not been read yet
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return handler


def framed(body: bytes, status: str = "200 OK", fields: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Silent:
    """A handler that waits for the guard to leave, and tells when it has."""

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.reached = threading.Event()
        self.left = threading.Event()

    def __call__(self, peer: Peer, _head: bytes) -> bool:
        peer.send(self.first)
        self.reached.set()
        with suppress(OSError):
            peer.read(1)
        self.left.set()
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    reason: str
    fields: dict[str, str]
    body: bytes

    @property
    def denied(self) -> str | None:
        return self.fields.get("x-egress-denied")

    @property
    def failed(self) -> str | None:
        return self.fields.get("x-egress-failed")


class CutShortError(Exception):
    pass


class Client(Peer):
    """Speaks to a guard in bytes, and reads answers strictly."""

    def __init__(self, port: int) -> None:
        super().__init__(socket.create_connection((LOCAL, port), timeout=10))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, url: bytes, fields: bytes = b"", method: bytes = b"GET") -> Reply:
        self.send(b"%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (method, url, fields))
        return self.reply(is_head=method == b"HEAD")

    def connect(self, authority: bytes) -> Reply:
        self.send(b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (authority, authority))
        return self.reply(is_tunnel=True)

    def reply(self, *, is_head: bool = False, is_tunnel: bool = False) -> Reply:
        first, *rest = self.read_head().decode("latin-1").splitlines()
        _, status, reason = first.split(" ", 2)
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
        has_body = not (is_head or status in {"204", "304"} or (is_tunnel and status == "200") or status < "200")
        body = self._body(fields) if has_body else b""
        return Reply(status=int(status), reason=reason, fields=fields, body=body)

    def _body(self, fields: dict[str, str]) -> bytes:
        if fields.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        if "content-length" in fields:
            return self._exactly(int(fields["content-length"]))
        return self.read_to_end()

    def _chunk(self) -> bytes:
        size = self._file.readline()
        if not size.endswith(b"\r\n"):
            raise CutShortError
        data = self._exactly(int(size, 16))
        if self._exactly(2) != b"\r\n":
            raise CutShortError
        return data

    def _exactly(self, count: int) -> bytes:
        data = self.read(count)
        if len(data) < count:
            raise CutShortError
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardProcess:
    process: subprocess.Popen[bytes]
    port: int
    directory: Path

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / "log").read_text().splitlines()]

    @property
    def stats(self) -> dict[str, Any]:
        return dict(json.loads((self.directory / "stats").read_text()))

    def open_files(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def await_answer(port: int) -> None:
    """The listening socket is there before the program is: what it holds is to be measured once it has started."""
    with socket.create_connection((LOCAL, port), timeout=60) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert connection.recv(1), "closed without an answer"


@contextmanager
def guard_process(**environment: str) -> Iterator[GuardProcess]:
    """The real thing, as the supervisor starts it."""
    with tempfile.TemporaryDirectory(prefix="guard") as name, socket.create_server((LOCAL, 0), backlog=512) as listener:
        directory, descriptor = Path(name), listener.fileno()
        command = [sys.executable, "-m", "downloads.engine.guard", "--fd", str(descriptor), "--stats", f"{name}/stats"]
        command += ["--log-format", "json"]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[descriptor], stderr=log)
        try:
            yield GuardProcess(process=process, port=listener.getsockname()[1], directory=directory)
        finally:
            process.terminate()
            process.wait(timeout=10)


@dataclass(slots=True, kw_only=True)
class ScriptedResolver:
    """Gives the next answer of a name at each look-up, the last one for ever, and counts."""

    answers: dict[str, list[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        await asyncio.sleep(0)
        answers = self.answers.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def guard_thread(
    policy: Policy,
    *,
    limits: GuardLimits | None = None,
    stats: Stats | None = None,
    resolve: Resolve | None = None,
) -> Iterator[int]:
    """A guard inside this process, for what a test must inject; gives its port."""
    listener = socket.create_server((LOCAL, 0), backlog=512)
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def serve() -> None:
        started.set()
        with suppress(asyncio.CancelledError):
            await Guard(policy, limits=limits, stats=stats, resolve=resolve).serve(listener)

    task = loop.create_task(serve())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,), daemon=True)
    port = listener.getsockname()[1]
    thread.start()
    assert started.wait(5)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(5)
        loop.close()


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
