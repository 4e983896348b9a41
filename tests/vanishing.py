"""What somebody else does between two statements of what is being tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from django.db import connection
from django.db.models import Model


def after_reading(words: str, *rows: Model) -> AbstractContextManager[None]:
    """Deletes `rows`, in this order, when the first SELECT that has `words` in it has been answered."""

    def delete() -> None:
        for row in rows:
            type(row)._base_manager.filter(pk=row.pk)._raw_delete(using=row._state.db)

    return meanwhile(delete, lambda sql: sql.startswith("SELECT") and words in sql)


@contextmanager
def meanwhile(act: Callable[[], Any], is_awaited: Callable[[str], bool] = bool) -> Iterator[None]:
    """Acts once, when the first statement that is awaited has been answered; by default it is the very first."""
    waiting = [act]

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        answer = execute(sql, *rest)
        if waiting and is_awaited(sql):
            waiting.pop()()
        return answer

    with connection.execute_wrapper(watch):
        yield
    assert not waiting, "no such statement"
