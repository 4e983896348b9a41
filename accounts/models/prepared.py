"""A query that comes with every request: its SQL is written once, which costs Django more than asking it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable

M = TypeVar("M", bound=Model)


class Prepared(Generic[M]):
    """`build` makes the QuerySet from its one parameter, which must go to the database as it is: text, say."""

    def __init__(self, build: Callable[[Any], QuerySet[M]]) -> None:
        self._build = build
        # As connections are; a compiler belongs to one.
        self._of_thread = threading.local()

    def fetch(self, value: str) -> list[M]:
        queryset, compiler, sql = self._written()
        compiler.as_sql = lambda *_, **__: (sql, (value,))
        return list(ModelIterable(queryset))

    def _written(self) -> tuple[QuerySet[M], Any, str]:
        if not hasattr(self._of_thread, "query"):
            queryset = self._build("")
            compiler = queryset.query.get_compiler(queryset.db)
            sql, parameters = compiler.as_sql()
            if parameters != ("",):
                raise ValueError(f"a prepared query has one parameter, and this has {len(parameters)}")
            queryset.query.get_compiler = lambda *_, **__: compiler  # type: ignore[method-assign]
            self._of_thread.query = queryset, compiler, sql
        query: tuple[QuerySet[M], Any, str] = self._of_thread.query
        return query
