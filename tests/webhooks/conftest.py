from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import User
from downloads import storage
from tests.engine.guard.peers import GuardProcess, guard_process
from tests.factories import UserFactory
from tests.webhooks.receiver import Receiver
from webhooks.models import Endpoint

MakeEndpoint = Callable[..., Endpoint]


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Settings) -> Path:
    """A media root of the test's own."""
    settings.DATA_DIR = tmp_path
    settings.FILES_ROOT, settings.WORK_ROOT, settings.RUN_ROOT = tmp_path / "files", tmp_path / "work", tmp_path / "run"
    settings.PUBLIC_BASE_URL = "https://media.example.org"
    settings.STORAGE_RESERVE_BYTES = 0
    settings.WEBHOOK_KEYS = ["k" * 40]
    settings.WEBHOOK_TIMEOUT_SEC = 5
    storage.ensure_roots()
    return tmp_path


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(username="ada")


@pytest.fixture
def endpoint_of() -> MakeEndpoint:
    """Makes one that hears of what ends."""

    def make(owner: User, url: str = "https://hooks.example.org/", **fields: object) -> Endpoint:
        events = fields.pop("events", ["download.completed", "download.failed"])
        return Endpoint.objects.add(owner, url=url, events=events, **fields)[0]

    return make


@pytest.fixture
def endpoint(user: User, endpoint_of: MakeEndpoint) -> Endpoint:
    return endpoint_of(user)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="package")
def guard_port() -> Iterator[int]:
    """The real guard, to which loopback is open."""
    with guard_process(EGRESS_ALLOW="127.0.0.1") as running:
        assert isinstance(running, GuardProcess)
        yield running.port


@pytest.fixture
def guard(guard_port: int, settings: Settings) -> str:
    address = f"http://127.0.0.1:{guard_port}"
    settings.GUARD_URL = address
    return address
