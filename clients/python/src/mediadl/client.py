"""The client: what the API offers, as methods. Each call is one request, with the tries it takes."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from mediadl.errors import DownloadFailedError, GoneError, MediadlError, WaitTimeoutError
from mediadl.fetching import Fetch, Progress, has_content, safe_name
from mediadl.transport import Transport
from mediadl.types import Batch, Download, File, Link, LogLine

LONG_POLL_SECONDS = 20
PROGRESS_SECONDS = 1.0
MAX_RETRY_AFTER_SECONDS = 120.0

Update = Callable[[Download], None]


class Client:
    """Not for several threads at once; make one for each."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 5,
        max_retry_after: float = MAX_RETRY_AFTER_SECONDS,
        http: httpx.Client | None = None,
    ) -> None:
        """A server that asks for more than `max_retry_after` seconds is not waited for: that is an error."""
        self._transport = Transport(
            base_url, api_key, timeout=timeout, retries=retries, max_retry_after=max_retry_after, http=http
        )

    @classmethod
    def from_environment(cls, **options: Any) -> Self:
        """By MEDIADL_URL and MEDIADL_API_KEY."""
        base_url = os.environ.get("MEDIADL_URL")
        if not base_url:
            raise MediadlError("MEDIADL_URL is not set: the address of the server.")
        return cls(base_url, os.environ.get("MEDIADL_API_KEY"), **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # --- One download -------------------------------------------------------------------------------------------

    def submit(self, url: str, *, idempotency_key: str | None = None, **options: Any) -> Download:
        """`options` as the API has them: quality="1080p", audio_only=True, retention_hours=24, …

        Safe to repeat: each call has an Idempotency-Key, its own or the one that is given.
        """
        return Download.of(self._create("/download", {"url": url} | options, idempotency_key))

    def download(self, request_id: str) -> Download:
        return Download.of(self._transport.json("GET", f"/download/{request_id}"))

    def downloads(self, *, status: str | None = None, q: str | None = None, **query: Any) -> Iterator[Download]:
        """Newest first, page after page as they are asked for."""
        for row in self._pages("/download", {"status": status, "q": q, **query}):
            yield Download.of(row)

    def wait(self, request_id: str, *, timeout: float | None = None, on_update: Update | None = None) -> Download:
        """The download when it has ended, however. `on_update` is told of its progress every second."""
        deadline = None if timeout is None else time.monotonic() + timeout
        etag, known = "", None
        while True:
            left = LONG_POLL_SECONDS if deadline is None else deadline - time.monotonic()
            if known is not None and left <= 0:
                raise WaitTimeoutError(f"{request_id} is still {known.status}")
            is_patient = on_update is None and known is not None
            seconds = int(min(left, LONG_POLL_SECONDS)) if is_patient else 0
            answer = self._transport.request(
                "GET",
                f"/download/{request_id}",
                params={"wait": seconds or None},
                headers={"If-None-Match": etag} if etag else {},
                timeout=seconds + 30.0,
            )
            if answer.status_code != httpx.codes.NOT_MODIFIED:
                etag, known = answer.headers.get("ETag", ""), Download.of(answer.json())
                if on_update:
                    on_update(known)
                if known.has_ended:
                    return known
            if not seconds:
                time.sleep(min(PROGRESS_SECONDS, max(0.05, left)))

    def cancel(self, request_id: str) -> None:
        """Of one that has not ended; WrongState never: one that has ended is left alone."""
        if not self.download(request_id).has_ended:
            self._transport.request("DELETE", f"/download/{request_id}")

    def delete(self, request_id: str) -> None:
        """With its files; one that has not ended is cancelled first."""
        answer = self._transport.json("DELETE", f"/download/{request_id}")
        if answer.get("status") == "cancelled":
            self._transport.request("DELETE", f"/download/{request_id}")

    def pause(self, request_id: str) -> Download:
        return self._steer(request_id, "pause")

    def resume(self, request_id: str) -> Download:
        return self._steer(request_id, "resume")

    def retry(self, request_id: str) -> Download:
        return self._steer(request_id, "retry")

    def keep(self, request_id: str, *, retention_hours: float | None = None) -> Download:
        """For good, or for so many hours from now."""
        return self._steer(request_id, "keep", {"retention_hours": retention_hours})

    def logs(self, request_id: str, *, level: str | None = None) -> list[LogLine]:
        answer = self._transport.json("GET", f"/download/{request_id}/logs", params={"level": level})
        return [LogLine.of(line) for line in answer["logs"]]

    # --- Its files ----------------------------------------------------------------------------------------------

    def fetch(
        self,
        source: Download | File | str,
        *,
        directory: Path | str = ".",
        name: str | None = None,
        on_progress: Progress | None = None,
    ) -> Path:
        """Fetches a file, the main file of a download, or what a link leads to. A broken connection is resumed, also
        by the next call, and what arrived is checked against the server's SHA-256.

        A file that is there already is not fetched again when it has the same content, and otherwise replaced.
        """
        if isinstance(source, str):
            target = Path(directory) / safe_name(name or source.partition("?")[0])
            return self._fetch(source, target, None, on_progress)
        file = _file_of(source)
        return self._fetch(str(file.file_url), Path(directory) / safe_name(name or file.filename), file, on_progress)

    def _fetch(self, address: str, target: Path, file: File | None, on_progress: Progress | None) -> Path:
        if file is not None and has_content(target, file.sha256):
            return target
        size, sha256 = (file.size_bytes, file.sha256) if file else (None, None)
        return Fetch(self._transport, address, target, size=size, sha256=sha256, on_progress=on_progress).run()

    def get(
        self,
        url: str,
        *,
        directory: Path | str = ".",
        timeout: float | None = None,
        on_update: Update | None = None,
        on_progress: Progress | None = None,
        **options: Any,
    ) -> Path:
        """Submit, wait, fetch: the path of the main file. Raises DownloadFailedError."""
        job = self.wait(self.submit(url, **options).request_id, timeout=timeout, on_update=on_update)
        return self.fetch(completed(job), directory=directory, on_progress=on_progress)

    def share(
        self,
        file: File | str,
        *,
        expires_in_sec: int | None = None,
        expires_at: datetime | None = None,
        max_downloads: int | None = None,
        label: str = "",
    ) -> Link:
        body = {
            "expires_in_sec": expires_in_sec,
            "expires_at": expires_at.isoformat() if expires_at else None,
            "max_downloads": max_downloads,
            "label": label,
        }
        return Link.of(self._create(f"/files/{_id_of(file)}/links", body, None))

    def links(self, file: File | str) -> list[Link]:
        return [Link.of(row) for row in self._pages(f"/files/{_id_of(file)}/links", {})]

    def revoke_link(self, link_id: str) -> None:
        self._transport.request("DELETE", f"/links/{link_id}")

    # --- Looking at a page --------------------------------------------------------------------------------------

    def formats(self, url: str) -> dict[str, Any]:
        return self._probe("/formats", {"url": url})

    def metadata(self, url: str) -> dict[str, Any]:
        return self._probe("/metadata", {"url": url})

    def playlist(self, url: str, *, page: int = 1, page_size: int = 50) -> dict[str, Any]:
        return self._probe("/playlist/preview", {"url": url, "page": page, "page_size": page_size})

    def channel(self, url: str, **query: Any) -> dict[str, Any]:
        return self._probe("/channel/info", {"url": url} | query)

    def _probe(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        """Answered when a worker has looked; one that takes longer than a request may is asked for again."""
        while True:
            answer = self._transport.request("GET", path, params=query, timeout=120.0)
            if answer.status_code != httpx.codes.ACCEPTED:
                found: dict[str, Any] = answer.json()
                return found
            where = answer.headers["Location"]
            self._transport.request("GET", where, params={"wait": LONG_POLL_SECONDS}, timeout=LONG_POLL_SECONDS + 30)

    # --- Many at once -------------------------------------------------------------------------------------------

    def submit_batch(self, urls: Iterable[str], *, idempotency_key: str | None = None, **options: Any) -> Batch:
        return Batch.of(self._create("/batch/download", {"urls": list(urls)} | options, idempotency_key))

    def submit_playlist(self, url: str, *, idempotency_key: str | None = None, **options: Any) -> Batch:
        """`items="1-10,15"`, `start`, `end`, `skip_downloaded`, and the options of a download."""
        return Batch.of(self._create("/playlist/download", {"url": url} | options, idempotency_key))

    def submit_channel(self, url: str, *, idempotency_key: str | None = None, **options: Any) -> Batch:
        return Batch.of(self._create("/channel/download", {"url": url} | options, idempotency_key))

    def batch(self, batch_id: str) -> Batch:
        return Batch.of(self._transport.json("GET", f"/batch/{batch_id}"))

    def batches(self, **query: Any) -> Iterator[Batch]:
        for row in self._pages("/batch", query):
            yield Batch.of(row)

    def wait_batch(
        self, batch_id: str, *, timeout: float | None = None, on_update: Callable[[Batch], None] | None = None
    ) -> Batch:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (batch := self.batch(batch_id)).has_ended:
            if on_update:
                on_update(batch)
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeoutError(f"{batch_id} is still {batch.status}")
            time.sleep(PROGRESS_SECONDS)
        return batch

    def cancel_batch(self, batch_id: str) -> None:
        self._transport.request("DELETE", f"/batch/{batch_id}")

    def retry_batch(self, batch_id: str) -> Batch:
        return Batch.of(self._transport.json("POST", f"/batch/{batch_id}/retry", body={}))

    # --- The service --------------------------------------------------------------------------------------------

    def me(self) -> dict[str, Any]:
        return self._transport.json("GET", "/me")

    def stats(self) -> dict[str, Any]:
        return self._transport.json("GET", "/stats")

    def health(self) -> dict[str, Any]:
        return self._transport.json("GET", "/health")

    # --- How ----------------------------------------------------------------------------------------------------

    def _create(self, path: str, body: dict[str, Any], key: str | None) -> dict[str, Any]:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        given = {name: value for name, value in body.items() if value is not None}
        return self._transport.json("POST", path, body=given, headers=headers)

    def _steer(self, request_id: str, verb: str, body: dict[str, Any] | None = None) -> Download:
        return Download.of(self._transport.json("POST", f"/download/{request_id}/{verb}", body=body or {}))

    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        page = self._transport.json("GET", path, params=query)
        yield from page["results"]
        while page["next"]:
            page = self._transport.json("GET", page["next"])
            yield from page["results"]


def completed(job: Download) -> Download:
    """The same, if it has completed. Raises DownloadFailedError."""
    if job.status != "completed":
        raise DownloadFailedError(job.request_id, job.status, job.error_code, job.error, job.remedy)
    return job


def _file_of(source: Download | File) -> File:
    file = completed(source).main_file if isinstance(source, Download) else source
    if file is None or not file.file_url:
        raise GoneError(410, {"code": "file_expired", "detail": "The file has been deleted."})
    return file


def _id_of(file: File | str) -> str:
    return file if isinstance(file, str) else file.file_id
