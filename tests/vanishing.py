"""Rows that somebody else deletes between two statements of what is being tested."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import Model


@contextmanager
def after_reading(words: str, *rows: Model) -> Iterator[None]:
    """Deletes `rows`, in this order, when the first SELECT that has `words` in it has been answered."""
    waiting = list(rows)

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        answer = execute(sql, params, many, context)
        if waiting and sql.startswith("SELECT") and words in sql:
            gone, waiting[:] = list(waiting), []
            for row in gone:
                type(row)._base_manager.filter(pk=row.pk)._raw_delete(using=row._state.db)
        return answer

    with connection.execute_wrapper(watch):
        yield
    assert not waiting, f"nothing was read of {words}"
