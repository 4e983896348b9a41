"""What may stand in a query string, read as strictly as a body."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from downloads.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from downloads.api.strict import (
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictSerializer,
    StrictUUIDField,
)
from downloads.library import DEFAULT_ORDERING, ORDERINGS
from downloads.models import JobLog, Status

LONGEST_WAIT_SECONDS = 30
MAX_CURSOR_LENGTH = 8192

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_LARGEST = 10**18 - 1


class QueryIntegerField(StrictIntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"min_value": -_LARGEST, "max_value": _LARGEST} | options)

    def to_internal_value(self, data: Any) -> int:
        if not _WHOLE_NUMBER.fullmatch(data):
            self.fail("invalid")
        return int(data)


@extend_schema_field({"type": "array", "items": {"type": "string", "enum": list(Status.values)}, "minItems": 1})
class StatusesField(StrictCharField):
    """Names joined by commas."""

    default_error_messages = {"unknown": f"These are not all of: {', '.join(Status.values)}."}

    def to_internal_value(self, data: Any) -> Any:
        statuses = super().to_internal_value(data).split(",")
        if not set(statuses) <= set(Status.values):
            self.fail("unknown")
        return statuses


class QuerySerializer(StrictSerializer[Any]):
    """A parameter that comes twice is refused: which of the two counts is anybody's guess."""

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Raises ValidationError."""
        twice = {name: _TWICE for name, values in request.query_params.lists() if len(values) > 1}
        if twice:
            raise ValidationError(twice)
        query = cls(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        values: dict[str, Any] = query.validated_data
        return values


_TWICE = [ErrorDetail("This is given twice.", code="repeated")]


class WaitQuery(QuerySerializer):
    wait = QueryIntegerField(
        default=0,
        min_value=0,
        max_value=LONGEST_WAIT_SECONDS,
        help_text="Answer when the status or stage changes, or after so many seconds.",
    )


class LogsQuery(QuerySerializer):
    level = StrictChoiceField(JobLog.LEVELS, default="debug", help_text="Lines of this level and above.")
    after = StrictDateTimeField(default=None, help_text="Lines later than this; the last line's `timestamp`, say.")


class ListQuery(QuerySerializer):
    status = StatusesField(default=None, help_text="Any of these.")
    q = StrictCharField(default=None, max_length=200, help_text="Part of the title or URL, or the client_reference.")
    tag = StrictCharField(default=None, max_length=50, help_text="With exactly this tag.")
    batch_id = StrictUUIDField(default=None, help_text="Those of this batch.")
    created_after = StrictDateTimeField(default=None)
    created_before = StrictDateTimeField(default=None)
    ordering = StrictChoiceField(tuple(ORDERINGS), default=DEFAULT_ORDERING, help_text="`-` is descending.")
    limit = QueryIntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    cursor = StrictCharField(default=None, max_length=MAX_CURSOR_LENGTH, help_text="As `next` or `previous` has it.")


class FileQuery(QuerySerializer):
    inline = serializers.ChoiceField(("0", "1"), default="0", help_text="1: to be shown in place, where that is safe.")


class NoQuery(QuerySerializer):
    """Where there is nothing to ask for, asking is a mistake."""
