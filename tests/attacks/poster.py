"""The sender of webhooks inside the enclave: `python -m tests.attacks.poster SOCKET`, and how it is asked from outside.

One JSON line a connection, `{url, guard}`, is answered by another, `{failure, status}`. Ends with its standard input.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SECONDS = 10
START_SECONDS = 90


def main() -> None:
    import django

    django.setup()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(64)
    threading.Thread(target=_serve, args=(listener,), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


def _serve(listener: socket.socket) -> None:
    from webhooks.transport import Message, Transport

    transports: dict[str, Any] = {}
    with ThreadPoolExecutor(8) as pool:

        def answer(connection: socket.socket) -> None:
            with connection, connection.makefile("rw") as stream:
                asked = json.loads(stream.readline())
                message = Message(url=asked["url"], headers={"content-type": "application/json"}, body=b"{}")
                reply = transports[asked["guard"]].send(message).result()
                stream.write(json.dumps({"failure": reply.failure, "status": reply.status}) + "\n")

        while True:
            connection, _ = listener.accept()
            guard = json.loads(connection.recv(65536, socket.MSG_PEEK))["guard"]
            if guard not in transports:
                transports[guard] = Transport(guard, SECONDS).__enter__()
            pool.submit(answer, connection)


# --- From outside -----------------------------------------------------------------------------------------------


def post(path: Path, urls: Iterable[str], guard: str) -> dict[str, dict[str, Any]]:
    """By URL, what came of a message to it."""
    deadline = time.monotonic() + START_SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    wanted = list(urls)
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(wanted, pool.map(lambda url: _ask(path, url, guard), wanted), strict=True))


def _ask(path: Path, url: str, guard: str) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(path))
        with client.makefile("rw") as stream:
            stream.write(json.dumps({"url": url, "guard": guard}) + "\n")
            stream.flush()
            return dict(json.loads(stream.readline()))


if __name__ == "__main__":
    main()
