"""A real uvicorn with the site, on a free port."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ADDRESS = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    port: int
    root: Path
    process: subprocess.Popen[str]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.get(self.url + path, headers=named, timeout=10)

    def ask(self, path: str, *lines: str, method: str = "GET") -> socket.socket:
        """A connection on which the request has been sent and nothing read."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", self.port))
        connection.sendall("\r\n".join([f"{method} {path} HTTP/1.1", "Host: site.test", *lines, "", ""]).encode())
        return connection

    def handles(self) -> int:
        return int(self.get("/handles").text)

    def stop(self) -> float:
        """Seconds from SIGTERM to the end."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)
        return time.monotonic() - begin


@contextmanager
def serve(
    root: Path,
    log: Path,
    application: str = "tests.asgi.site:application",
    *,
    graceful_seconds: int = 5,
    **environment: str,
) -> Iterator[Server]:
    command = [sys.executable, "-m", "uvicorn", application, "--port", "0", "--no-access-log"]
    command += ["--timeout-graceful-shutdown", str(graceful_seconds)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "SITE_ROOT": str(root), **environment},
            stderr=output,
            stdout=output,
            text=True,
        )
    try:
        yield Server(port=_port(process, log), root=root, process=process, log=log)
    finally:
        process.kill()
        process.wait()


def _port(process: subprocess.Popen[str], log: Path) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if match := ADDRESS.search(log.read_text()):
            return int(match[1])
        time.sleep(0.02)
    raise AssertionError(log.read_text())
