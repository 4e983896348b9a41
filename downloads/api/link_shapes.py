"""What may be asked of links, and the shape of the answers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from downloads.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from downloads.api.query import MAX_CURSOR_LENGTH, QueryIntegerField, QuerySerializer
from downloads.api.requests import LineField
from downloads.api.responses import Shape
from downloads.api.strict import StrictCharField, StrictDateTimeField, StrictIntegerField, StrictSerializer
from downloads.models import LinkState
from downloads.models.link import LONGEST_LIFETIME

MAX_DOWNLOADS = 1_000_000
MAX_LABEL_LENGTH = 100


@extend_schema_serializer(component_name="Link")
class LinkRequestSerializer(StrictSerializer[Any]):
    expires_at = StrictDateTimeField(
        default=None,
        allow_null=True,
        help_text="Not after the file's deletion, which is what it is without this; a week from now for a file that is "
        "kept.",
    )
    expires_in_sec = StrictIntegerField(
        default=None,
        allow_null=True,
        min_value=1,
        max_value=int(LONGEST_LIFETIME.total_seconds()),
        help_text="For so long from now, or until the file is deleted if that is sooner; not beside `expires_at`.",
    )
    max_downloads = StrictIntegerField(
        default=None,
        allow_null=True,
        min_value=1,
        max_value=MAX_DOWNLOADS,
        help_text="How many downloads may begin; null is as many as come. Resuming one and seeking in a player take "
        "none.",
    )
    label = LineField(  # type: ignore[assignment]  # a field of the name of an attribute
        default="", allow_blank=True, max_length=MAX_LABEL_LENGTH, help_text="For whom it is; shown to nobody else."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["expires_at"] is not None and attrs["expires_in_sec"] is not None:
            raise serializers.ValidationError({"expires_in_sec": "expires_at says it already."}, code="conflict")
        return attrs


class LinkSerializer(Shape):
    link_id = serializers.UUIDField()
    file_id = serializers.UUIDField()
    url = serializers.CharField(help_text="Whoever has it can fetch the file, without a key.")
    label = serializers.CharField()  # type: ignore[assignment]  # a field of the name of an attribute
    state = serializers.ChoiceField(LinkState.choices)
    max_downloads = serializers.IntegerField(allow_null=True)
    download_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="When a download last began.")


class LinkListSerializer(Shape):
    results = LinkSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class LinkListQuery(QuerySerializer):
    limit = QueryIntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    cursor = StrictCharField(default=None, max_length=MAX_CURSOR_LENGTH, help_text="As `next` or `previous` has it.")
