from __future__ import annotations

import hashlib
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import ApiKey, Scope, User
from downloads import health, storage
from downloads.models import Job, MediaFile
from tests.factories import JobFactory, MediaFileFactory, UserFactory

PROBLEM = "application/problem+json"
URL = "https://videos.example.com/watch/42"


class Api:
    """A client with a key: paths are below /api/v1."""

    def __init__(self, key: str | None) -> None:
        self.client = Client(headers={"X-API-Key": key} if key else None)

    def get(self, path: str, query: dict[str, Any] | None = None, /, **headers: str) -> Any:
        return self.client.get(f"/api/v1{path}", query, headers=headers)

    def head(self, path: str, **headers: str) -> Any:
        return self.client.head(f"/api/v1{path}", headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.client.post(f"/api/v1{path}", body or {}, content_type="application/json", headers=headers)

    def post_text(self, path: str, body: str | bytes, content_type: str = "application/json") -> Any:
        return self.client.post(f"/api/v1{path}", body, content_type=content_type)

    def delete(self, path: str, **headers: str) -> Any:
        return self.client.delete(f"/api/v1{path}", headers=headers)


def key_of(user: User, *scopes: Scope) -> str:
    _, plain = ApiKey.objects.issue(user, "test", scopes or (Scope.READ, Scope.WRITE))
    return plain


def code_of(answer: Any) -> tuple[int, str]:
    """Checks that it is a whole problem document, and names it."""
    document = answer.json()
    assert answer["Content-Type"] == PROBLEM, answer.content
    assert set(document) == {"type", "title", "status", "detail", "code", "request_id", "errors", "error"}
    assert document["status"] == answer.status_code
    assert document["request_id"] == answer["X-Request-ID"]
    assert document["type"].endswith(f"/docs/errors#{document['code']}")
    message = document["detail"]
    assert document["error"] == {"code": document["code"], "message": message, "request_id": document["request_id"]}
    return answer.status_code, document["code"]


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Settings) -> Path:
    """A media root of the test's own."""
    settings.DATA_DIR = tmp_path
    settings.FILES_ROOT, settings.WORK_ROOT, settings.RUN_ROOT = tmp_path / "files", tmp_path / "work", tmp_path / "run"
    settings.PUBLIC_BASE_URL = "https://media.example.org"
    settings.STORAGE_RESERVE_BYTES = 0
    storage.ensure_roots()
    return tmp_path


@pytest.fixture(autouse=True)
def fresh_health(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", -1)


@pytest.fixture
def user(db: None) -> User:
    return UserFactory()


@pytest.fixture
def api(user: User) -> Api:
    return Api(key_of(user))


@pytest.fixture
def anybody(db: None) -> Api:
    return Api(None)


@pytest.fixture
def stranger(db: None) -> Api:
    """Somebody else with a key of their own."""
    return Api(key_of(UserFactory()))


@pytest.fixture
def operator(db: None) -> Api:
    return Api(key_of(UserFactory(is_staff=True, is_superuser=True), *Scope))


@pytest.fixture
def job(user: User) -> Job:
    return JobFactory(owner=user)


@pytest.fixture
def stored(user: User) -> Callable[..., MediaFile]:
    """Makes a published file of the user's: the row and its bytes."""

    def make(job: Job | None = None, content: bytes = b"media", **fields: Any) -> MediaFile:
        job = job or JobFactory(owner=user, finished=True)
        file_id = uuid.uuid4()
        key = storage.key_of(job.pk, job.attempt, file_id, "mp4")
        path = storage.path_of(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        known = {"size_bytes": len(content), "sha256": digest, "crc32": zlib.crc32(content)}
        return MediaFileFactory(id=file_id, job=job, storage_key=key, **known | fields)

    return make
