"""What the origin was asked and what it sent."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """`path` is without the query. `bytes_sent` counts body bytes handed to the kernel, so far when not finished."""

    method: str
    path: str
    query: str
    range: str | None
    user_agent: str | None
    cookie: str | None
    referer: str | None
    status: int
    bytes_sent: int
    at: float
    finished_at: float | None

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Exchange:
    """One request while it is answered: the log's mutable side, written by its connection's thread only."""

    def __init__(self, *, method: str, path: str, query: str, headers: dict[str, str | None]) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.status = 0
        self.bytes_sent = 0
        self.at = time.time()
        self.finished_at: float | None = None

    def finish(self) -> None:
        self.finished_at = time.time()

    def snapshot(self) -> LoggedRequest:
        return LoggedRequest(
            method=self.method,
            path=self.path,
            query=self.query,
            range=self.headers["Range"],
            user_agent=self.headers["User-Agent"],
            cookie=self.headers["Cookie"],
            referer=self.headers["Referer"],
            status=self.status,
            bytes_sent=self.bytes_sent,
            at=self.at,
            finished_at=self.finished_at,
        )


class RequestLog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []

    def append(self, exchange: Exchange) -> None:
        with self._lock:
            self._exchanges.append(exchange)

    def snapshot(self) -> list[LoggedRequest]:
        with self._lock:
            exchanges = list(self._exchanges)
        return [exchange.snapshot() for exchange in exchanges]

    def clear(self) -> None:
        with self._lock:
            self._exchanges.clear()
