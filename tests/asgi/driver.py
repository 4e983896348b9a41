"""An ASGI server in memory: one request in, what the application sends out, and a client that can vanish or stall."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from mediadl.asgi.messages import Application, Message


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_complete: bool = False


class Call:
    """`stall` sets the number of messages after which the client reads no more."""

    def __init__(
        self,
        application: Application,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: Iterable[bytes] = (b"",),
        is_body_whole: bool = True,
        stall: int | None = None,
        **scope: Any,
    ) -> None:
        self.answer = Answer()
        self.is_aborted = False
        self._application = application
        self._scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "http_version": "1.1",
            "server": ("127.0.0.1", 8080),
            "client": ("192.0.2.7", 1234),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
            "extensions": {"mediadl.abort": self._abort},
            **scope,
        }
        self._body = list(body)
        self._is_body_whole = is_body_whole
        self._stall = stall
        self.sent = 0
        self._gone = asyncio.Event()
        self._reads_on = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self) -> Answer:
        await self._application(self._scope, self._receive, self._send)
        return self.answer

    def start(self) -> asyncio.Task[Answer]:
        return asyncio.create_task(self.run())

    def leave(self) -> None:
        self._gone.set()
        self._reads_on.set()

    def resume(self) -> None:
        """Read on after the stall."""
        self._reads_on.set()

    async def until(self, text: bytes, *, seconds: float = 5.0) -> bytes:
        """The body, when `text` has come."""
        async with asyncio.timeout(seconds):
            while text not in self.answer.body:
                self._changed.clear()
                await self._changed.wait()
        return self.answer.body

    def _abort(self) -> None:
        self.is_aborted = True
        self.leave()

    async def _receive(self) -> Message:
        if self._body:
            part = self._body.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self._body) or not self._is_body_whole}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._stall is not None and self.sent >= self._stall:
            await self._reads_on.wait()
        self.sent += 1
        if self._gone.is_set():
            return
        if message["type"] == "http.response.start":
            assert not self.answer.status
            self.answer.status = message["status"]
            self.answer.headers = {name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            assert self.answer.status
            assert not self.answer.is_complete
            self.answer.body += message.get("body", b"")
            self.answer.is_complete = not message.get("more_body", False)
        self._changed.set()


async def call(application: Application, path: str = "/", **options: Any) -> Answer:
    return await Call(application, path, **options).run()


def ask(application: Application, path: str = "/", **options: Any) -> Answer:
    return asyncio.run(call(application, path, **options))


async def until(is_true: Callable[[], bool], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
