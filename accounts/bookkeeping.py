"""Writes that a request can do without: they are left out while somebody else holds SQLite's lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection

PATIENCE_SECONDS = 0.25


@contextmanager
def left_out_while_locked() -> Iterator[None]:
    """Ends quietly, and soon, when its writes cannot get SQLite's lock. PostgreSQL has no such lock."""
    if connection.vendor != "sqlite":
        yield
        return
    _wait_for_locks(PATIENCE_SECONDS)
    try:
        yield
    except OperationalError as error:
        if "locked" not in str(error):
            raise
    finally:
        _wait_for_locks(connection.settings_dict["OPTIONS"]["timeout"])


def _wait_for_locks(seconds: float) -> None:
    # Past Django's cursor, which would cost more than the statement: this is done for each read of the API.
    connection.ensure_connection()
    connection.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
