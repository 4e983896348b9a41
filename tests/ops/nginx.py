"""Debian's nginx with the configuration of ops/, at a place of a test's own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.ops.programs import OPS
from tests.product import free_port, wait_until
from tests.programs import program

# What the first lines of the file say is to be changed on another machine.
PLACES = {
    "pid /tmp/": "pid {directory}/",
    "_path /tmp/": "_path {directory}/",
    "server web:8080;": "server 127.0.0.1:{upstream};",
    "alias /srv/data/files/;": "alias {files}/;",
    "listen 8080;": "listen 127.0.0.1:{port};",
}


def configuration(directory: Path, *, upstream: int, files: Path, port: int) -> Path:
    """The file of ops/ and nothing but its places changed."""
    text = (OPS / "nginx.conf").read_text()
    for place, changed in PLACES.items():
        assert place in text, place
        text = text.replace(place, changed.format(directory=directory, upstream=upstream, files=files, port=port))
    directory.mkdir(exist_ok=True)
    written = directory / "nginx.conf"
    written.write_text(text)
    return written


def command(written: Path, *arguments: str) -> list[str]:
    # As root nginx would give the reading of files to nobody.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    return [program("nginx"), "-c", str(written), "-p", str(written.parent), *user, *arguments]


@contextmanager
def nginx(directory: Path, *, upstream: int, files: Path) -> Iterator[str]:
    """Its address."""
    port = free_port()
    written = configuration(directory, upstream=upstream, files=files, port=port)
    user = "user root; " if os.geteuid() == 0 else ""
    process = subprocess.Popen([program("nginx"), "-c", str(written), "-p", str(directory), "-g", f"{user}daemon off;"])
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{address}/api/v1/health/live", trust_env=False).status_code == 200
        return False

    try:
        wait_until(answers, 30, what="nginx")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)
