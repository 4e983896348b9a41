"""One request, and the tries it takes: what is safe to repeat is repeated, and a server that asks for time gets it.

The key goes to the configured server and nowhere else: answers name addresses, and only their paths are used.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from mediadl.errors import ApiError, ConnectionFailedError, error_of

API = "/api/v1"
BUSY = frozenset({429, 503})
BROKEN = frozenset({502, 504})
REPEATABLE = frozenset({"GET", "HEAD", "DELETE"})
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0


class Transport:
    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        *,
        timeout: float,
        retries: int,
        max_retry_after: float,
        http: httpx.Client | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/").removesuffix(API)
        self.retries = retries
        self._max_retry_after = max_retry_after
        self._http = http or httpx.Client(timeout=timeout, follow_redirects=False)
        # Not X-API-Key, which httpx would hand to the target of a redirect.
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def close(self) -> None:
        self._http.close()

    def url_of(self, address: str) -> str:
        """`address` is a path below /api/v1, or any address of the server's answers."""
        parts = urlsplit(address)
        path = parts.path if parts.netloc or parts.path.startswith("/api/") else f"{API}{parts.path}"
        return f"{self.base_url}{path}{f'?{parts.query}' if parts.query else ''}"

    def request(
        self,
        method: str,
        address: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        """Raises ApiError for every status from 400 on, and ConnectionFailedError."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        sent = self._headers | dict(headers or {})
        may_repeat = method in REPEATABLE or "Idempotency-Key" in sent
        extra: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        for attempt in range(self.retries + 1):
            is_last = attempt == self.retries
            try:
                response = self._http.request(
                    method, self.url_of(address), params=given or None, json=body, headers=sent, **extra
                )
            except httpx.TransportError as error:
                if is_last or not may_repeat:
                    raise ConnectionFailedError(f"{self.base_url}: {error or type(error).__name__}") from error
                time.sleep(backoff(attempt))
                continue
            if response.status_code < httpx.codes.BAD_REQUEST:
                return response
            error_answer = problem_of(response)
            pause = self._pause(error_answer, attempt, may_repeat=may_repeat)
            if is_last or pause is None:
                raise error_answer
            time.sleep(pause)
        raise AssertionError("unreachable")

    def json(self, method: str, address: str, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.request(method, address, **options).json()
        return answer

    def _pause(self, error: ApiError, attempt: int, *, may_repeat: bool) -> float | None:
        """Seconds until the next try; None when there is none. A 429 has changed nothing, whatever the method."""
        if error.status not in BUSY | BROKEN or not (may_repeat or error.status == httpx.codes.TOO_MANY_REQUESTS):
            return None
        wanted = error.retry_after
        if wanted is not None and wanted > self._max_retry_after:
            return None
        return max(backoff(attempt), wanted or 0.0)

    @contextmanager
    def stream(self, address: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """One try: whoever reads the bytes knows where to go on. `address` may be of another server: no key then."""
        url, sent = self._place(address)
        with self._http.stream("GET", url, headers=sent | dict(headers), follow_redirects=True) as response:
            yield response

    def head(self, address: str) -> httpx.Response:
        url, sent = self._place(address)
        return self._http.head(url, headers=sent, follow_redirects=True)

    def _place(self, address: str) -> tuple[str, dict[str, str]]:
        if urlsplit(address).path.startswith(f"{API}/"):
            return self.url_of(address), self._headers
        return address, {}


def problem_of(response: httpx.Response) -> ApiError:
    response.read()
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    return error_of(
        response.status_code,
        problem if isinstance(problem, dict) else {},
        retry_after_seconds(response.headers.get("Retry-After")),
    )


def retry_after_seconds(value: str | None) -> float | None:
    """Seconds or a date, as RFC 9110 has it."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def backoff(attempt: int) -> float:
    """Full jitter below a growing ceiling, so that many clients do not come back as one wave."""
    ceiling: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
    return ceiling * (0.5 + random.random() / 2)  # noqa: S311 - spreading load needs no secret
