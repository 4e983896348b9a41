"""SQL that comes with every request, written once: that costs Django several times what executing it does."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import AutoField, Field, Model, QuerySet
from django.db.models.expressions import Col, DatabaseDefault
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
            converters = compiler.get_converters([expression for expression, _, _ in compiler.select])
            compiler.get_converters = lambda _: converters
            queryset.query.get_compiler = lambda *_, **__: compiler  # type: ignore[method-assign]
            self._of_thread.query = queryset, compiler, sql
        query: tuple[QuerySet[M], Any, str] = self._of_thread.query
        return query


def insert(row: Model) -> None:
    """`row.save(force_insert=True)` without signals; what the database fills comes back, but for an automatic id.

    Values only: raises ValueError where a field that the database fills has one, as it would be lost.
    """
    statement = _insert(type(row))
    if any(not isinstance(getattr(row, str(field.attname)), DatabaseDefault) for field in statement.chosen):
        raise ValueError(f"the database fills {', '.join(field.name for field in statement.chosen)}")
    # `connection` looks this up at every use.
    database = connections[DEFAULT_DB_ALIAS]
    values = [field.get_db_prep_save(field.pre_save(row, add=True), database) for field in statement.given]
    with database.cursor() as cursor:
        cursor.execute(statement.sql, values)
        if statement.chosen:
            for field, value in zip(statement.chosen, cursor.fetchone(), strict=True):
                setattr(row, str(field.attname), _read(field, value, database))
    row._state.adding, row._state.db = False, database.alias  # noqa: SLF001 - as Model.save does


class Insert(NamedTuple):
    sql: str
    given: list[Field[Any, Any]]
    chosen: list[Field[Any, Any]]


@functools.cache
def _insert(model: type[Model]) -> Insert:
    quoted = connection.ops.quote_name
    columns = model._meta.local_concrete_fields  # noqa: SLF001 - public in all but its name
    given = [field for field in columns if not (field.has_db_default() or isinstance(field, AutoField))]
    chosen = [field for field in columns if field.has_db_default()]
    names = ", ".join(quoted(str(field.column)) for field in given)
    marks = ", ".join(["%s"] * len(given))
    returning = f" RETURNING {', '.join(quoted(str(field.column)) for field in chosen)}" if chosen else ""
    table = quoted(model._meta.db_table)  # noqa: SLF001
    return Insert(f"INSERT INTO {table} ({names}) VALUES ({marks}){returning}", given, chosen)  # noqa: S608


def _read(field: Field[Any, Any], value: Any, database: BaseDatabaseWrapper) -> Any:
    """What a query would have read: SQLite has neither times nor UUIDs of its own."""
    column = Col(str(field.model._meta.db_table), field)  # noqa: SLF001
    for converter in (*database.ops.get_db_converters(column), *column.get_db_converters(database)):
        value = converter(value, column, database)
    return value
