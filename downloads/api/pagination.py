"""Pages of a list by position, not by number: as fast on the last page as on the first, and nothing is shown twice
when rows come in between. A cursor is signed, so that no forged position reaches the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core import signing
from django.db import connections
from django.db.models import CharField, DateTimeField, F, Func, Model, Q, QuerySet, Value
from django.utils.http import urlencode

from downloads.api.problem import Problem
from downloads.library import Ordering

SALT = "downloads.api.cursor"
DEFAULT_LIMIT = 20
MAX_LIMIT = 100

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Just past a row, in the direction of the list or against it."""

    value: Any
    row_id: str
    is_backwards: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[M]):
    rows: list[M]
    next: Position | None
    previous: Position | None


def page_of(rows: QuerySet[M], ordering: Ordering, limit: int, position: Position | None) -> Page[M]:
    is_backwards = position is not None and position.is_backwards
    is_descending = ordering.is_descending != is_backwards
    sign = "-" if is_descending else ""
    placed: QuerySet[Any] = rows.alias(place=_place(rows, ordering))
    found: list[M] = list(
        _past(placed, ordering, position, is_descending).order_by(f"{sign}place", f"{sign}pk")[: limit + 1]
    )
    has_more, shown = len(found) > limit, found[:limit]
    if is_backwards:
        shown.reverse()
    has_next = is_backwards or has_more
    has_previous = has_more if is_backwards else position is not None
    return Page(
        rows=shown,
        next=_position(shown[-1], ordering, is_backwards=False) if shown and has_next else None,
        previous=_position(shown[0], ordering, is_backwards=True) if shown and has_previous else None,
    )


class Instant(Func):
    """SQLite keeps moments as text, with three digits of a second by its own clock and up to six by ours."""

    function = "STRFTIME"
    template = "%(function)s('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', %(expressions)s)"
    output_field = CharField()


def _place(rows: QuerySet[M], ordering: Ordering) -> Func | F:
    return Instant(F(ordering.field)) if _has_text_for_moments(rows, ordering) else F(ordering.field)


def _has_text_for_moments(rows: QuerySet[M], ordering: Ordering) -> bool:
    if ordering.field == "pk" or connections[rows.db].vendor != "sqlite":
        return False
    return isinstance(rows.model._meta.get_field(ordering.field), DateTimeField)  # noqa: SLF001 - Django's own way


def _past(rows: QuerySet[M], ordering: Ordering, position: Position | None, is_descending: bool) -> QuerySet[M]:  # noqa: FBT001
    if position is None:
        return rows
    beyond = "lt" if is_descending else "gt"
    if ordering.field == "pk":
        return rows.filter(**{f"pk__{beyond}": position.row_id})
    place: Any = Instant(Value(position.value)) if _has_text_for_moments(rows, ordering) else position.value
    tie = Q(place=place) & Q(**{f"pk__{beyond}": position.row_id})
    return rows.filter(Q(**{f"place__{beyond}": place}) | tie)


def _position(row: Model, ordering: Ordering, *, is_backwards: bool) -> Position:
    value = None if ordering.field == "pk" else getattr(row, ordering.field)
    return Position(value=value, row_id=str(row.pk), is_backwards=is_backwards)


# --- Cursors ----------------------------------------------------------------------------------------------------


def cursor_of(position: Position, ordering: Ordering) -> str:
    value = position.value
    packed = [ordering.name, value.isoformat() if isinstance(value, datetime) else value, position.row_id]
    return signing.dumps([*packed, position.is_backwards], salt=SALT, compress=True)


def position_of(cursor: str, ordering: Ordering) -> Position:
    """Raises Problem, also for a cursor of the same list in another order."""
    try:
        name, value, row_id, is_backwards = signing.loads(cursor, salt=SALT)
    except signing.BadSignature:
        name = None
    if name != ordering.name:
        raise Problem(404, "invalid_cursor", "This list has not given out such a cursor.")
    return Position(value=value, row_id=row_id, is_backwards=is_backwards)


def link(path: str, query: Mapping[str, Any], position: Position | None, ordering: Ordering) -> str | None:
    """The address of the page at `position`, with everything else of `query` as it was."""
    if position is None:
        return None
    return f"{settings.PUBLIC_BASE_URL}{path}?{urlencode({**query, 'cursor': cursor_of(position, ordering)})}"
