from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import ApiKey, Scope, User

PASSWORD = "correct horse battery staple"

ApiOf = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def cheap_passwords(settings: Settings) -> None:
    """Argon2 takes a tenth of a second on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def other(db: None) -> User:
    return User.objects.create_user("eve", password=PASSWORD)


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def page(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def api_of() -> ApiOf:
    """A client with a key of the user's: `api_of(user, "read")`."""

    def make(user: User, *scopes: str, **headers: str) -> APIClient:
        _, plain = ApiKey.objects.issue(user, "test", scopes or (Scope.READ, Scope.WRITE))
        return APIClient(headers={"X-API-Key": plain, **headers})

    return make


@pytest.fixture
def api(api_of: ApiOf, user: User) -> APIClient:
    return api_of(user)
