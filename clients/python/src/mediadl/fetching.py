"""Bytes to a file: resumed where they broke off, also by a later run, and checked before the file has its name."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from mediadl.errors import ChecksumError, ConnectionFailedError
from mediadl.transport import BROKEN, BUSY, Transport, backoff, problem_of

CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/\d+")

Progress = Callable[[int, int | None], None]  # bytes so far, and of how many


class Fetch:
    """One file on its way. What has arrived lies beside the target, under a name of its content."""

    def __init__(
        self,
        transport: Transport,
        address: str,
        target: Path,
        *,
        size: int | None,
        sha256: str | None,
        on_progress: Progress | None,
    ) -> None:
        self._transport = transport
        self._address = address
        self._target = target
        self._size = size
        self._sha256 = sha256
        self._on_progress = on_progress
        self._etag: str | None = None
        mark = (sha256 or hashlib.sha256(address.encode()).hexdigest())[:16]
        self._part = target.with_name(f".{target.name[:180]}.{mark}.part")

    def run(self) -> Path:
        self._part.parent.mkdir(parents=True, exist_ok=True)
        if self._have:
            # Somebody else's beginning would be completed by our end: the tag says whether it is the same file.
            self._etag = self._transport.head(self._address).headers.get("ETag")
        failures = 0
        while not self._try_once():
            failures = 0 if self._has_moved else failures + 1
            if failures > self._transport.retries:
                raise ConnectionFailedError(f"{self._target.name}: the connection was lost again and again")
            time.sleep(backoff(failures))
        self._check()
        self._part.replace(self._target)
        return self._target

    @property
    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _try_once(self) -> bool:
        """Whether all of it is there. Raises ApiError for a refusal that waiting does not mend."""
        start = self._have
        if start and start == self._size:
            return True
        self._has_moved = False
        try:
            with self._transport.stream(self._address, self._headers(start)) as response:
                return self._take(response, start)
        except httpx.TransportError:
            return False

    def _headers(self, start: int) -> dict[str, str]:
        asked = {"Accept-Encoding": "identity"}
        if start:
            asked["Range"] = f"bytes={start}-"
            if self._etag:
                asked["If-Range"] = self._etag
        return asked

    def _take(self, response: httpx.Response, start: int) -> bool:
        if response.status_code in BUSY | BROKEN:
            time.sleep(min(30.0, problem_of(response).retry_after or 0.0))
            return False
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            self._part.unlink()  # longer than the file is: not of this file
            return False
        if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise problem_of(response)
        self._etag = response.headers.get("ETag", self._etag)
        is_part = response.status_code == httpx.codes.PARTIAL_CONTENT and _starts_at(response, start)
        begin = start if is_part else 0
        length = response.headers.get("Content-Length")
        total = begin + int(length) if length is not None else self._size
        self._write(response, begin, total)
        return total is None or self._have == total

    def _write(self, response: httpx.Response, begin: int, total: int | None) -> None:
        with self._part.open("ab" if begin else "wb") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                self._has_moved = True
                if self._on_progress:
                    self._on_progress(file.tell(), total)

    def _check(self) -> None:
        if not self._sha256:
            return
        with self._part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self._sha256:
            self._part.unlink()
            raise ChecksumError(f"{self._target.name}: the bytes that arrived are not those of the server")


def _starts_at(response: httpx.Response, start: int) -> bool:
    match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == start


def has_content(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def safe_name(name: str) -> str:
    """The last part of a name, which leads into no other directory and hides nothing."""
    last = re.sub(r"[\x00-\x1f\x7f]", "", name.replace("\\", "/").rpartition("/")[2]).lstrip(".").strip()
    return last[:200] or "download"
