"""One call of a WSGI application, in the steps that threads take for it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from mediadl.asgi.messages import Scope

Environ = dict[str, Any]
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]
WSGIApplication = Callable[[Environ, Callable[..., Callable[[bytes], object]]], Iterable[bytes]]

WAITED = "mediadl.waited"
FILE_STEP_BYTES = 256 * 1024
NOT_HEADERS = {"content-type": "CONTENT_TYPE", "content-length": None, "transfer-encoding": None}


class Exchange:
    def __init__(self, application: WSGIApplication, environ: Environ) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_started = False  # the head has been sent
        self.is_closed = False
        self._application = application
        self._environ = environ
        self._iterable: Iterable[bytes] = ()
        self._steps: Iterator[bytes] = iter(())
        self._written: list[bytes] = []
        self._lock = threading.Lock()  # a close that follows a cancellation waits for the step that still runs

    def begin(self) -> bytes:
        """The first bytes of a stream, or all of an answer that is none: then it is closed already."""
        with self._lock:
            try:
                self._iterable = self._application(self._environ, self._start_response)
                self._steps = iter(self._iterable)
                data = b"".join(self._steps) if self._is_whole() else next(self._steps, b"")
            except BaseException:
                self._close()
                raise
            is_head = self._environ["REQUEST_METHOD"] == "HEAD"
            if is_head or self._is_whole():
                self._close()
            return b"" if is_head else b"".join([*self._written, data])

    def step(self) -> bytes | None:
        with self._lock:
            data = next(self._steps, None)
            if data is None:
                self._close()
            return data

    def close(self) -> None:
        with self._lock:
            self._close()

    def _is_whole(self) -> bool:
        """Django's plain responses say that they are no stream."""
        return isinstance(self._iterable, list | tuple) or not getattr(self._iterable, "streaming", True)

    def _close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            getattr(self._iterable, "close", lambda: None)()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExceptionInfo | None = None
    ) -> Callable[[bytes], object]:
        if exc_info and self.is_started:
            raise exc_info[1]
        self.status = int(status[:3])
        self.headers = [(name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers]
        return self._written.append


def environ_of(scope: Scope, body: IO[bytes], size: int) -> Environ:
    script_name = scope.get("root_path", "").encode().decode("latin-1")
    host, port = scope.get("server") or ("localhost", 80)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script_name,
        "PATH_INFO": _path(scope).removeprefix(script_name),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or ""),
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "CONTENT_LENGTH": str(size) if size else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": _wrap_file,
        WAITED: scope.get(WAITED, False),
    }
    _add_headers(environ, scope)
    return environ


def _path(scope: Scope) -> str:
    """From the raw path: in the decoded one, bytes that are not UTF-8 are lost."""
    raw = scope.get("raw_path")
    return (unquote_to_bytes(raw) if raw else scope["path"].encode()).decode("latin-1")


def _add_headers(environ: Environ, scope: Scope) -> None:
    """Drops names with underscores: in an environ, X_Forwarded_For would pass for X-Forwarded-For."""
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        key = NOT_HEADERS.get(name, "HTTP_" + name.upper().replace("-", "_"))
        if key is None or "_" in name:
            continue
        separator = "; " if name == "cookie" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value


def _wrap_file(file: Any, _size: int = 0) -> FileWrapper:
    """Of our own step's size, since each is a trip to a thread and Django asks for 4 KB."""
    return FileWrapper(file, FILE_STEP_BYTES)
