"""A line of the log for each answer: what was asked for, without the query, and how it went. Never who asked."""

from __future__ import annotations

import time
from http import HTTPStatus

import structlog

from mediadl.asgi.messages import Application, Head, Message, Receive, Scope, Send
from mediadl.logs import without_titles_and_secrets

# Asked for every few seconds by machines, or many at once by every page: said only when they fail.
QUIET = ("/api/v1/health", "/api/v1/metrics", "/metrics", "/static/")
MAX_PATH = 300


class Access:
    def __init__(self, application: Application) -> None:
        self._application = application
        self._log = structlog.get_logger("mediadl.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        head: Head | None = None
        size, is_whole = 0, False

        async def counted(message: Message) -> None:
            nonlocal head, size, is_whole
            await send(message)
            if message["type"] == "http.response.start":
                head = Head.of(message)
            else:
                size += len(message.get("body", b""))
                is_whole = not message.get("more_body", False)

        try:
            await self._application(scope, receive, counted)
        finally:
            # As it was sent: what is encoded cannot break the line.
            path = scope["raw_path"].decode("ascii", "replace")
            if not path.startswith(QUIET) or head is None or head.status >= HTTPStatus.BAD_REQUEST:
                self._log.info(
                    "request",
                    method=scope["method"],
                    path=without_titles_and_secrets(path)[:MAX_PATH],
                    status=head and head.status,
                    bytes=size,
                    complete=is_whole,
                    ms=round((time.perf_counter() - began) * 1000),
                    request_id=head and head.get(b"x-request-id"),
                )
