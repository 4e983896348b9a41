"""The database is brought to this version's schema by one node at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

MIGRATION_LOCK = 0x6D64_6C40
ASK_AGAIN_SECONDS = 0.2


@contextmanager
def one_at_a_time(say: Callable[[str], None]) -> Iterator[None]:
    """Waits until no other node of this PostgreSQL is inside. SQLite has one node.

    The lock ends with the connection, and so with whoever holds it. It is asked for again and again: a query that waits
    would hold back an index that the other builds concurrently, and that one the query.
    """
    if connection.vendor != "postgresql":
        yield
        return
    if not _is_ours():
        say("another node migrates the database; waiting for it")
        while not _is_ours():
            time.sleep(ASK_AGAIN_SECONDS)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def _is_ours() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATION_LOCK])
        return bool(cursor.fetchone()[0])
