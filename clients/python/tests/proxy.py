"""Stands between a client and a server, and does to it what networks and busy servers do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

Trouble = Callable[["Handler"], bool]  # whether it has dealt with the request


class Proxy:
    """`troubles` are taken one after the other, each by one request; without any, all is passed on."""

    def __init__(self, target: str, *troubles: Trouble) -> None:
        self.target = target
        self.troubles = list(troubles)
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def headers_of(self, method: str) -> list[dict[str, str]]:
        return [headers for seen, _, headers in self.seen if seen == method]


class Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        self.close_connection = True
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.proxy.seen.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
        trouble = self.proxy.troubles.pop(0) if self.proxy.troubles else None
        if trouble is None or not trouble(self):
            self.pass_on()

    def pass_on(self, limit: int | None = None) -> None:
        """The server's answer; with `limit` the connection is lost after so many bytes of it."""
        answer = self.fetch()
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in {"transfer-encoding", "connection", "content-encoding", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.content[:limit])

    def fetch(self) -> httpx.Response:
        skipped = {"host", "connection", "content-length", "accept-encoding"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        address = f"{self.proxy.target}{urlsplit(self.path)._replace(netloc='', scheme='').geturl()}"
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.request(self.command, address, headers=headers, content=self.body)


def lost_after(count: int) -> Trouble:
    def trouble(handler: Handler) -> bool:
        handler.pass_on(limit=count)
        return True

    return trouble


def done_but_lost(handler: Handler) -> bool:
    """The server does as it is asked, and its answer never arrives."""
    handler.fetch()
    handler.close_connection = True
    return True


def answers(status: int, retry_after: str = "0") -> Trouble:
    def trouble(handler: Handler) -> bool:
        handler.send_response(status)
        handler.send_header("Retry-After", retry_after)
        handler.send_header("Content-Length", "0")
        handler.send_header("Connection", "close")
        handler.end_headers()
        return True

    return trouble
