"""Writes that a request can do without: left out while somebody else holds SQLite's lock, or its disk takes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection

PATIENCE_SECONDS = 0.25
# Locked, and a disk that is full, read-only or broken.
REFUSALS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
}


@contextmanager
def dispensable() -> Iterator[None]:
    """Ends quietly, and soon, when SQLite cannot write. PostgreSQL has no lock for all, and a disk of its own."""
    if connection.vendor != "sqlite":
        yield
        return
    _wait_for_locks(PATIENCE_SECONDS)
    try:
        yield
    except OperationalError as error:
        if not _is_refusal(error):
            raise
    finally:
        _wait_for_locks(connection.settings_dict["OPTIONS"]["timeout"])


def _is_refusal(error: OperationalError) -> bool:
    # The lower byte is the kind, the rest tells more of it.
    return getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF in REFUSALS


def _wait_for_locks(seconds: float) -> None:
    # Past Django's cursor, which would cost more than the statement: this is done for each read of the API.
    connection.ensure_connection()
    connection.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
