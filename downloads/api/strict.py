"""What is read from a request, with nothing guessed: a strict JSON parser, fields that convert no types, and
serializers that refuse names they do not know.
"""

from __future__ import annotations

import functools
import json
import math
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NoReturn, TypeVar

from django.conf import settings
from django.utils.http import parse_header_parameters
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, UnsupportedMediaType, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.utils.formatting import lazy_format
from rest_framework.utils.serializer_helpers import BindingDict

from downloads.api.problem import MAX_ERRORS, UNKNOWN_FIELD, Problem

MAX_DEPTH = 32
CALENDAR = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

_UNSAFE = re.compile("[\x00\ud800-\udfff]")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

T = TypeVar("T")


# --- JSON -------------------------------------------------------------------------------------------------------


class StrictJSONParser(BaseParser):
    """One UTF-8 JSON object. Refused is what readers of JSON disagree on, or what a database cannot keep."""

    media_type = "application/json"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        _, parameters = parse_header_parameters(media_type or "")
        if parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType(media_type or "", "JSON is sent as UTF-8.")
        limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise Problem(413, "body_too_large", f"A request's body has at most {limit} bytes.")
        return parse_json(body)


def parse_json(body: bytes) -> dict[str, Any]:
    """Raises Problem."""
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError:
        _refuse("The body is not UTF-8.")
    except RecursionError:
        _refuse(f"The body is nested deeper than {MAX_DEPTH} levels.")
    except json.JSONDecodeError as error:
        _refuse(f"The body is not JSON: {error.msg} at character {error.pos}.")
    if not isinstance(value, dict):
        _refuse("The body is not a JSON object.")
    _check(value, MAX_DEPTH)
    return value


def _refuse(detail: str) -> NoReturn:
    raise Problem(400, "malformed_json", detail) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        _refuse("The body has an object with the same key twice.")
    return value


def _integer(digits: str) -> int:
    # Python refuses to read thousands of digits, and no field of ours is larger than 64 bits.
    number = int(digits) if len(digits) <= len(str(INT64_MIN)) else INT64_MAX + 1
    if not INT64_MIN <= number <= INT64_MAX:
        _refuse("The body has an integer of more than 64 bits.")
    return number


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse("The body has a number that is too large.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not JSON.")


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if _UNSAFE.search(value):
            _refuse("The body has a string with a NUL or half of a surrogate pair.")
    elif isinstance(value, dict | list):
        if depth == 0:
            _refuse(f"The body is nested deeper than {MAX_DEPTH} levels.")
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(item, depth - 1)


# --- Fields -----------------------------------------------------------------------------------------------------


# In DRF's words, which pages have in our German: its own addresses people in another way.
BOUNDS = {
    "max_value": _("Ensure this value is less than or equal to {max_value}."),
    "min_value": _("Ensure this value is greater than or equal to {min_value}."),
}


class StrictCharField(serializers.CharField):
    """Text as it came: neither trimmed, nor made from a number."""

    default_error_messages = {
        "invalid": "This is not a string.",
        "max_length": _("Ensure this field has no more than {max_length} characters."),
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False} | options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class StrictBooleanField(serializers.BooleanField):
    default_error_messages = {"invalid": "This is neither true nor false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictIntegerField(serializers.IntegerField):
    default_error_messages = {"invalid": "This is not a whole number.", **BOUNDS}

    def to_internal_value(self, data: Any) -> int:
        # In JSON, 5.0 is the same number as 5.
        number = int(data) if isinstance(data, float) and data.is_integer() else data
        if isinstance(number, bool) or not isinstance(number, int):
            self.fail("invalid")
        return number


class StrictFloatField(serializers.FloatField):
    default_error_messages = {"invalid": "This is not a number.", **BOUNDS}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
            self.fail("invalid")
        return float(data)


class StrictChoiceField(serializers.ChoiceField):
    """One of some strings; the refusal lists them and does not echo what was sent."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices, **options)
        self.error_messages["invalid_choice"] = f"This is none of: {', '.join(map(str, self.choices))}."

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice")
        return data


class StrictListField(serializers.ListField):
    default_error_messages = {
        "not_a_list": "This is not a list.",
        "max_length": _("Ensure this field has no more than {max_length} elements."),
    }

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list")
        values: list[Any] = super().to_internal_value(data)
        return values


class StrictUUIDField(serializers.UUIDField):
    default_error_messages = {"invalid": "This is not a UUID."}

    def to_internal_value(self, data: Any) -> uuid.UUID:
        if not isinstance(data, str) or not _UUID.fullmatch(data):
            self.fail("invalid")
        return uuid.UUID(data)


class StrictDateTimeField(serializers.DateTimeField):
    """RFC 3339 with its offset. A moment beyond the calendar in UTC is the calendar's end."""

    default_error_messages = {"invalid": "This is not an RFC 3339 time with an offset, such as 2030-01-31T12:00:00Z."}

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            self.fail("invalid")
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            self.fail("invalid")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            return CALENDAR[0] if moment.year == 1 else CALENDAR[1]


# --- Serializers ------------------------------------------------------------------------------------------------


class StrictSerializer(serializers.Serializer[T]):
    """Refuses names that it does not know: a typo is no silent default."""

    default_error_messages = {"invalid": "This is not an object."}

    @property
    def fields(self) -> BindingDict:
        """Those of the class, and not copies of them as in DRF, which cost more than all else that a serializer does.

        That is safe as long as no field looks beyond its own arguments: at the request, the instance or the context.
        """
        return _fields_of(type(self))

    def to_internal_value(self, data: Any) -> Any:
        unknown = self._unknown(data) if isinstance(data, Mapping) else {}
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            known = error.detail if isinstance(error.detail, dict) else {}
            raise ValidationError({**unknown, **known}) from error
        if unknown:
            raise ValidationError(unknown)
        return values

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
        known = {name for name, field in self.fields.items() if not field.read_only}
        detail = ErrorDetail("There is no such field.", code=UNKNOWN_FIELD)
        foreign = (name for name in data if name not in known)
        # Ten thousand of them would cost seconds to list, and nobody would read them.
        return {name: [detail] for name in islice(foreign, MAX_ERRORS)}


@functools.cache
def _fields_of(kind: type[StrictSerializer[Any]]) -> BindingDict:
    """Bound to a serializer that no request ever fills."""
    fields = BindingDict(kind())
    for name, field in kind().get_fields().items():
        fields[name] = field
        _say_in_each_language(field)
    return fields


def _say_in_each_language(field: serializers.Field[Any, Any, Any, Any]) -> None:
    """DRF formats these messages once, and whoever is refused first would choose the language for everybody after."""
    for validator in field.validators:
        said = getattr(validator, "message", None)
        if isinstance(said, lazy_format):
            formatted = format_lazy(said.format_string or "", *said.args, **said.kwargs)
            setattr(validator, "message", formatted)  # noqa: B010 - only some validators have one
    if isinstance(field, serializers.ListField):
        _say_in_each_language(field.child)
