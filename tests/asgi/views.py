"""What stands in for Django: views that hand over to the layers, and WSGI applications that note what they see."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mediadl.asgi.bridge import Bridge
from mediadl.asgi.files import Files
from mediadl.asgi.messages import Receive, Scope, Send
from mediadl.asgi.reading import CHUNK_BYTES
from tests.asgi.driver import Answer

Environ = dict[str, Any]
BuildBridge = Callable[..., Bridge]
BuildFiles = Callable[..., Files]
Get = Callable[..., Answer]

CONTENT = bytes(range(256)) * 40
LARGE = os.urandom(5 * CHUNK_BYTES + 17)
ETAG = '"v1"'
MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"


class DownloadView:
    """Answers as a download view does: every header of the file, and a body that must not be seen."""

    def __init__(self, key: str, *, status: int = 200, **more: str) -> None:
        self.status = status
        self.headers = {
            "Content-Type": "video/mp4",
            "Content-Length": "7",
            "Content-Disposition": 'attachment; filename="a.mp4"',
            "Content-Security-Policy": "sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private",
            "ETag": ETAG,
            "Last-Modified": MODIFIED,
            "X-Request-ID": "request-1",
            "X-Accel-Redirect": f"/_protected/{key}",
            **{name.replace("_", "-"): value for name, value in more.items()},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"ignored"})


class EventsView:
    """Grants a stream of the channel that the path names, as a view does."""

    def __init__(self, **more: str) -> None:
        self.more = {name.replace("_", "-"): value for name, value in more.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = {
            "Content-Type": "text/html",
            "Content-Length": "7",
            "Cache-Control": "no-store",
            "X-Request-ID": "r-1",
            "X-Accel-Events": scope["path"].strip("/"),
            **self.more,
        }
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})
        await send({"type": "http.response.body", "body": b"ignored"})


class Echo:
    """Keeps the environ, and answers with the body it was sent."""

    def __init__(self) -> None:
        self.environ: Environ = {}
        self.calls = 0

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        self.calls += 1
        self.environ = environ
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Twice", "1"), ("X-Twice", "2")])
        return [body]


class Stream:
    """A streamed answer that notes which parts were made, and when it was closed."""

    def __init__(self, parts: Iterable[bytes] = (), *, error: Exception | None = None) -> None:
        self.parts = list(parts)
        self.error = error
        self.made = 0
        self.closed = threading.Event()
        self.threads: set[int] = set()

    def __call__(self, _environ: Environ, start_response: Any) -> Stream:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            self.made += 1
            self.threads.add(threading.get_ident())
            yield part
        if self.error:
            raise self.error

    def close(self) -> None:
        assert not self.closed.is_set()
        self.closed.set()
