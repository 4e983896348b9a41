"""A site that serves exactly the bytes that a test gives it, under the type that it claims."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit


class HostileSite:
    def __init__(self) -> None:
        self._bodies: dict[str, tuple[str, bytes]] = {}
        self._server = _Server(("127.0.0.1", 0), self._bodies)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, path: str, kind: str, body: bytes | str) -> str:
        """The address."""
        self._bodies[path] = (kind, body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"))
        return self.base + path


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], bodies: dict[str, tuple[str, bytes]]) -> None:
        self.bodies = bodies
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that have seen enough hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        kind, body = self.server.bodies.get(urlsplit(self.path).path, ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the base class calls it so

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass
