"""The HTTP side: ranges and conditions, framing, pace, breaks, and the log of it all."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import unquote

from tests.origin import behaviours
from tests.origin.content import Body, Request, Resource, text
from tests.origin.delivery import Answer, Delivery, requested_span
from tests.origin.log import Exchange, RequestLog
from tests.origin.media import media_directory
from tests.origin.routes import Routes

LAST_MODIFIED = "Thu, 01 Jan 2026 10:00:00 GMT"
STALL_SECONDS = 60
_LOGGED_HEADERS = ("Range", "User-Agent", "Cookie", "Referer")
# How long a client may take to hang up, to count as one that left before the break.
_LEAVING_SECONDS = 0.2


class OriginServer(ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 128
    daemon_threads = False
    block_on_close = True

    def __init__(self, host: str, port: int) -> None:
        self._routes = Routes(media_directory())
        self.tokens = behaviours.Tokens()
        self.log = RequestLog()
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__((host, port), _Handler)

    def answer(self, request: Request) -> Answer:
        try:
            return behaviours.answer(request, self._routes, self.tokens)
        except ValueError as error:
            return Answer(resource=text(str(error), status=HTTPStatus.BAD_REQUEST))

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def stop(self) -> None:
        """Ends every exchange, whatever its client waits for."""
        self.shutdown()
        self.stopping.set()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients hang up in the middle: that is what half of the routes are for.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: OriginServer
    exchange: Exchange

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        path = unquote(path)
        if path.startswith("/_"):
            self._send_whole(self._control(path))
            return
        headers = {name: self.headers[name] for name in _LOGGED_HEADERS}
        self.exchange = Exchange(method=self.command, path=path, query=query, headers=headers)
        self.server.log.append(self.exchange)
        try:
            self._send(self._answer(path, query))
        finally:
            self.exchange.finish()

    do_HEAD = do_GET  # noqa: N815 - the base class calls it so

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass

    def _answer(self, path: str, query: str) -> Answer:
        base_url = f"http://{self.headers.get('Host', '127.0.0.1')}"
        cookie = self.headers.get("Cookie", "")
        return self.server.answer(Request(path=path, query=query, base_url=base_url, cookie=cookie))

    def _control(self, path: str) -> Resource:
        if path == "/_log":
            return text(json.dumps([r.as_json() for r in self.server.log.snapshot()]), "application/json")
        if path == "/_log/clear":
            self.server.log.clear()
            return text("{}", "application/json")
        return text("Not found", status=HTTPStatus.NOT_FOUND)

    def _send_whole(self, resource: Resource) -> None:
        self.send_response(resource.status)
        self.send_header("Content-Type", resource.content_type)
        self.send_header("Content-Length", str(resource.body.size))
        self.end_headers()
        for chunk in resource.body.chunks(0, resource.body.size):
            self.connection.sendall(chunk)

    def _send(self, answer: Answer) -> None:
        resource, delivery = answer.resource, answer.delivery
        if delivery.latency_seconds:
            self.server.stopping.wait(delivery.latency_seconds)
        if answer.is_partial_allowed and self._is_not_modified(resource.body):
            self._send_head(HTTPStatus.NOT_MODIFIED, answer, {})
            return
        size = resource.body.size
        span = self._requested_span(resource.body) if answer.is_partial_allowed else None
        if span is not None and not 0 <= span[0] < span[1]:
            headers = {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
            self._send_head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, answer, headers)
            return
        start, stop = span or (0, size)
        status, headers = (resource.status, {}) if span is None else _partial(start, stop, size)
        self._send_head(status, answer, headers | self._framing(delivery, stop - start))
        if self.command != "HEAD":
            self._send_body(answer, start, stop)

    def _send_head(self, status: int, answer: Answer, headers: dict[str, str]) -> None:
        self.exchange.status = int(status)
        self.send_response(status)
        for name, value in {**self._described(answer), **answer.resource.headers, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _described(self, answer: Answer) -> dict[str, str]:
        described = {"Content-Type": answer.resource.content_type}
        if answer.resource.status == HTTPStatus.OK:
            described |= {
                "ETag": answer.resource.body.etag,
                "Last-Modified": LAST_MODIFIED,
                "Accept-Ranges": "bytes" if answer.delivery.accepts_ranges else "none",
            }
        return described

    def _framing(self, delivery: Delivery, length: int) -> dict[str, str]:
        if delivery.framing == "chunked":
            return {"Transfer-Encoding": "chunked"}
        if delivery.framing == "close" or delivery.length_delta:
            self.close_connection = True
        if delivery.framing == "close":
            return {"Connection": "close"}
        return {"Content-Length": str(max(0, length + delivery.length_delta))}

    def _is_not_modified(self, body: Body) -> bool:
        tags = self.headers.get("If-None-Match")
        if tags is not None:
            return body.etag in {tag.strip() for tag in tags.split(",")}
        return self.headers.get("If-Modified-Since") == LAST_MODIFIED

    def _requested_span(self, body: Body) -> tuple[int, int] | None:
        if self.headers.get("If-Range", body.etag) not in {body.etag, LAST_MODIFIED}:
            return None
        return requested_span(self.headers.get("Range", ""), body.size)

    def _send_body(self, answer: Answer, start: int, stop: int) -> None:
        body, delivery = answer.resource.body, answer.delivery
        end = delivery.break_at(start, body.size)
        for chunk in self._paced(body.chunks(start, stop if end is None else min(end, stop)), delivery):
            self._write(chunk, delivery)
        if end is not None and end < stop:
            self._break(delivery)
        elif delivery.framing == "chunked":
            self.connection.sendall(b"0\r\n\r\n")

    def _paced(self, chunks: Iterator[memoryview], delivery: Delivery) -> Iterator[memoryview]:
        """The same bytes, at most twenty pieces a second when the pace is limited."""
        rate = delivery.bytes_per_second
        if not rate:
            yield from chunks
            return
        began, sent, step = time.monotonic(), 0, max(1, rate // 20)
        for chunk in chunks:
            for offset in range(0, len(chunk), step):
                piece = chunk[offset : offset + step]
                sent += len(piece)
                self._pause_until(began + sent / rate)
                yield piece

    def _pause_until(self, moment: float) -> None:
        if self.server.stopping.wait(max(0, moment - time.monotonic())):
            raise ConnectionAbortedError

    def _write(self, chunk: memoryview, delivery: Delivery) -> None:
        # Counted first: whoever has read the bytes finds them in the log.
        self.exchange.bytes_sent += len(chunk)
        try:
            if delivery.framing == "chunked":
                self.connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), bytes(chunk)))
            else:
                self.connection.sendall(chunk)
        except OSError:
            self.exchange.bytes_sent -= len(chunk)
            raise

    def _break(self, delivery: Delivery) -> None:
        self.close_connection = True
        if delivery.break_kind == "stall":
            self._has_left_within(STALL_SECONDS)
        elif delivery.break_token is not None and not self._has_left_within(_LEAVING_SECONDS):
            self.server.tokens.mark_broken(delivery.break_token)

    def _has_left_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.server.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable and not self._peek():
                return True
        return False

    def _peek(self) -> bytes:
        try:
            waiting: bytes = self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return b""
        return waiting


def _partial(start: int, stop: int, size: int) -> tuple[int, dict[str, str]]:
    return HTTPStatus.PARTIAL_CONTENT, {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
