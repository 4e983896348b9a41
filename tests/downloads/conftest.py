from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from downloads import storage
from downloads.models import Job, MediaFile
from downloads.supervision import Pulse
from tests.downloads.pulses import Cluster, Passing
from tests.factories import JobFactory, MediaFileFactory


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Settings) -> Path:
    """A media root of the test's own."""
    settings.DATA_DIR = tmp_path
    settings.FILES_ROOT, settings.WORK_ROOT, settings.RUN_ROOT = tmp_path / "files", tmp_path / "work", tmp_path / "run"
    storage.ensure_roots()
    return tmp_path


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Passing:
    return Passing(monkeypatch, Pulse([cluster], lambda _: None))  # type: ignore[list-item]


@pytest.fixture
def stored() -> Callable[..., MediaFile]:
    """Makes a published file: the row and its bytes."""

    def make(job: Job | None = None, content: bytes = b"media") -> MediaFile:
        job = job or JobFactory(finished=True)
        file_id = uuid.uuid4()
        key = storage.key_of(job.pk, job.attempt, file_id, "mp4")
        path = storage.path_of(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return MediaFileFactory(id=file_id, job=job, storage_key=key, size_bytes=len(content), sha256=digest)

    return make
