from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from downloads import admin_lists, storage
from downloads.models import Node
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Settings) -> Path:
    """A media root of the test's own."""
    settings.DATA_DIR = tmp_path
    settings.FILES_ROOT, settings.WORK_ROOT, settings.RUN_ROOT = tmp_path / "files", tmp_path / "work", tmp_path / "run"
    settings.STORAGE_RESERVE_BYTES = 0
    storage.ensure_roots()
    cache.clear()
    return tmp_path


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(username="ada")


@pytest.fixture
def other(db: None) -> User:
    return UserFactory(username="eve")


@pytest.fixture
def operator(db: None) -> User:
    return UserFactory(username="root", is_staff=True, is_superuser=True)


@pytest.fixture
def worker(db: None) -> Node:
    Node.objects.pulse("node-1", slots=4)
    return Node.objects.get()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def listed(site: Client, address: str, **query: Any) -> list[Any]:
    """The rows that a list of the admin shows."""
    answer = site.get(address, query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were far more rows than three."""
    monkeypatch.setattr(admin_lists, "WINDOW", 3)


@pytest.fixture
def page(user: User) -> Client:
    """The browser of `user`."""
    return signed_in(user)


# --- The admin --------------------------------------------------------------------------------------------------


@pytest.fixture
def site(operator: User) -> Client:
    return signed_in(operator)


def staff(*permissions: str) -> Client:
    """The browser of somebody who may do so much in the admin, and no more."""
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return signed_in(user)
