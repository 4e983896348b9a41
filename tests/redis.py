"""A Redis of one's own, on a Unix socket, that remembers nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.product import wait_until
from tests.programs import program


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """Its address, as REDIS_URL wants it."""
    socket = directory / "redis.sock"
    server = subprocess.Popen(
        [program("redis-server"), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(directory)],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(socket.exists, 10, every=0.02, what="the socket of Redis")
        yield f"unix://{socket}"
    finally:
        server.kill()
        server.wait()
