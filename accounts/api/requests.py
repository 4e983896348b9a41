"""What may be asked for: bodies and queries, read as strictly as everywhere in this API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework.exceptions import ValidationError

from accounts.models import Scope
from downloads.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from downloads.api.query import MAX_CURSOR_LENGTH, QueryIntegerField, QuerySerializer
from downloads.api.requests import LineField
from downloads.api.strict import (
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictListField,
    StrictSerializer,
)

SCOPES = tuple(scope.value for scope in Scope)
MAX_NAME_LENGTH = 100
MAX_LIFETIME = timedelta(days=3653)
MAX_OVERLAP_HOURS = 30 * 24
MAX_LIMIT_VALUE = 1_000_000_000


class LimitField(StrictIntegerField):
    """A limit of one key, below its owner's and the server's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, min_value=1, max_value=MAX_LIMIT_VALUE, **options)


CONCURRENT = "Jobs of this key that run at once; null is no limit but its owner's."
PER_DAY = "Jobs that this key may submit in a day of UTC; null is no limit but its owner's."
PER_MINUTE = "Submissions a minute, and ten times as many reads; null, or more, is the server's own rate."


class NewKeySerializer(StrictSerializer[Any]):
    """A key to be made."""

    name = LineField(max_length=MAX_NAME_LENGTH, help_text="What will use the key.")
    scopes = StrictListField(
        child=StrictChoiceField(SCOPES), default=["read", "write"], min_length=1, max_length=len(SCOPES)
    )
    expires_at = StrictDateTimeField(default=None, allow_null=True, help_text="In ten years at most; null is never.")
    max_concurrent_jobs = LimitField(default=None, help_text=CONCURRENT)
    max_jobs_per_day = LimitField(default=None, help_text=PER_DAY)
    rate_limit_per_minute = LimitField(default=None, help_text=PER_MINUTE)

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        now = timezone.now()
        if value is not None and not now < value <= now + MAX_LIFETIME:
            raise ValidationError("This is not within the next ten years.", code="out_of_range")
        return value


class KeyChangeSerializer(StrictSerializer[Any]):
    """What a key's owner may change; what is not given stays."""

    name = LineField(max_length=MAX_NAME_LENGTH, required=False)
    max_concurrent_jobs = LimitField(required=False, help_text=CONCURRENT)
    max_jobs_per_day = LimitField(required=False, help_text=PER_DAY)
    rate_limit_per_minute = LimitField(required=False, help_text=PER_MINUTE)


class KeyRotationSerializer(StrictSerializer[Any]):
    """A key's end, and a new one in its place."""

    overlap_hours = StrictIntegerField(
        default=0, min_value=0, max_value=MAX_OVERLAP_HOURS, help_text="For how long the old key goes on."
    )


class KeyListQuery(QuerySerializer):
    limit = QueryIntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    cursor = StrictCharField(default=None, max_length=MAX_CURSOR_LENGTH, help_text="As `next` or `previous` has it.")
