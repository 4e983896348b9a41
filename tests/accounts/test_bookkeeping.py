from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.db import OperationalError, connection
from django.test import Client

from accounts.bookkeeping import dispensable
from accounts.models import ApiKey, RateBucket, Scope
from tests.factories import UserFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="only SQLite has one lock for all"),
]


@pytest.fixture
def locked() -> Iterator[None]:
    """Another process holds the lock."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_read_is_answered_while_somebody_holds_the_lock(request: pytest.FixtureRequest) -> None:
    _, key = ApiKey.objects.issue(UserFactory(), "reader", {Scope.READ})
    request.getfixturevalue("locked")
    began = time.monotonic()
    answer = Client(headers={"X-API-Key": key}).get("/api/v1/me")

    assert answer.status_code == 200
    assert time.monotonic() - began < 5
    assert not RateBucket.objects.exists()


def test_other_faults_are_not_hidden() -> None:
    with pytest.raises(OperationalError, match="no such table"), dispensable(), connection.cursor() as cursor:
        cursor.execute("UPDATE absent SET x = 1")


def test_the_usual_patience_is_back_afterwards(locked: None) -> None:
    with dispensable(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_ratebucket")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (connection.settings_dict["OPTIONS"]["timeout"] * 1000,)


def test_what_a_full_disk_refuses_is_left_out() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as other:
        other.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as full:
            other.execute("CREATE TABLE t (x)")

    with dispensable():
        raise OperationalError(*full.value.args) from full.value
