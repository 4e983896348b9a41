"""What the server answers, as values. `raw` is the whole answer, for what has no name here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

FINISHED = frozenset({"completed", "failed", "cancelled"})


def moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    raw: Mapping[str, Any]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """Names that a newer server adds are left in `raw`."""
        known = {field.name: answer.get(field.name) for field in fields(cls) if field.name != "raw"}
        moments = {name: moment(value) for name, value in known.items() if name.endswith("_at")}
        parts = {name: [kind.of(part) for part in known[name] or ()] for name, kind in cls._parts().items()}
        return cls(raw=answer, **known | moments | parts)

    @classmethod
    def _parts(cls) -> dict[str, type[_Answer]]:
        """Which fields are lists of such values."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class File(_Answer):
    file_id: str
    kind: str
    filename: str
    file_url: str | None
    size_bytes: int
    mime_type: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Download(_Answer):
    request_id: str
    status: str
    stage: str | None
    url: str
    title: str | None
    progress_percent: float
    downloaded_bytes: int
    total_bytes: int | None
    speed: float | None
    eta: float | None
    error: str | None
    error_code: str | None
    remedy: str | None
    batch_id: str | None
    tags: list[str]
    client_reference: str
    created_at: datetime
    completed_at: datetime | None
    files: list[File]

    @property
    def has_ended(self) -> bool:
        return self.status in FINISHED

    @property
    def main_file(self) -> File | None:
        """The first that is still there: media before subtitles and the rest."""
        return next((file for file in self.files if file.file_url), None)

    @classmethod
    def _parts(cls) -> dict[str, type[_Answer]]:
        return {"files": File}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine(_Answer):
    timestamp: str
    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob(_Answer):
    url: str
    request_id: str | None
    status: str
    title: str | None
    progress_percent: float | None
    file_url: str | None
    error: str | None
    error_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(_Answer):
    batch_id: str
    kind: str
    title: str | None
    status: str
    total_urls: int
    completed: int
    failed: int
    running: int
    queued: int
    cancelled: int
    progress_percent: float
    created_at: datetime
    completed_at: datetime | None
    jobs: list[BatchJob]

    @property
    def has_ended(self) -> bool:
        return self.completed_at is not None or self.status in FINISHED

    @classmethod
    def _parts(cls) -> dict[str, type[_Answer]]:
        return {"jobs": BatchJob}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(_Answer):
    link_id: str
    file_id: str
    url: str
    label: str
    state: str
    max_downloads: int | None
    download_count: int
    expires_at: datetime
    revoked_at: datetime | None
