"""SQL that comes with every request, written once: that costs Django several times what executing it does."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import AutoField, Field, Model, QuerySet
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


def insert(row: Model) -> None:
    """`row.save(force_insert=True)` without signals; what the database chooses itself does not come back to `row`."""
    sql, fields = _insert(type(row))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
    row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001 - as Model.save does


@functools.cache
def _insert(model: type[Model]) -> tuple[str, list[Field[Any, Any]]]:
    """All columns but those that the database fills."""
    quoted = connection.ops.quote_name
    columns_of = model._meta.local_concrete_fields  # noqa: SLF001 - public in all but its name
    fields = [field for field in columns_of if not (field.has_db_default() or isinstance(field, AutoField))]
    columns = ", ".join(quoted(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {quoted(model._meta.db_table)} ({columns}) VALUES ({marks})", fields  # noqa: S608, SLF001
