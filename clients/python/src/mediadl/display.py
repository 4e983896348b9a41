"""How a download looks in a terminal: one bar for the server's work and one for the way here."""

from __future__ import annotations

import unicodedata
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from mediadl.types import Batch, Download

TITLE_SHOWN = 48


class DownloadDisplay:
    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
        self._progress = Progress(
            *columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True
        )
        self._server: TaskID | None = None
        self._fetch: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._progress.stop()

    def update(self, job: Download) -> None:
        if self._server is None:
            self._server = self._progress.add_task("", total=None)
        said = f"{(job.stage or job.status).capitalize():14} {title_of(job)}"
        self._progress.update(
            self._server, description=said, completed=job.downloaded_bytes, total=job.total_bytes or None
        )

    def fetched(self, count: int, total: int | None) -> None:
        if self._fetch is None:
            self._fetch = self._progress.add_task("Fetching", total=total)
        self._progress.update(self._fetch, completed=count, total=total)


def plain(text: str) -> str:
    """Without what a terminal would obey: titles are anybody's."""
    return "".join(character for character in text if unicodedata.category(character)[0] != "C")


def title_of(job: Download) -> str:
    title = plain(job.title or job.url)
    return title if len(title) <= TITLE_SHOWN else f"{title[: TITLE_SHOWN - 1]}…"


def batch_line(batch: Batch) -> str:
    said = (
        f"{batch.completed} of {batch.total_urls} completed, {batch.failed} failed, {batch.cancelled} cancelled, "
        f"{batch.running} running"
    )
    return f"{said}, {skipped} left out: downloaded before" if (skipped := batch.raw.get("skipped")) else said
