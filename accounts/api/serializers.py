from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.models import ApiKey, Scope

MAX_OVERLAP_HOURS = 30 * 24
KEY_STATES = ["active", "expired", "revoked"]
MAX_LIFETIME = timedelta(days=3660)


class KeySerializer(serializers.Serializer[ApiKey]):
    """A key as it is listed: nothing here helps to use it."""

    key_id = serializers.UUIDField(source="id", read_only=True)
    name = serializers.CharField(read_only=True)
    prefix = serializers.CharField(read_only=True, help_text="The part of the key that may be shown.")
    scopes = serializers.ListField(
        source="scope_list", child=serializers.ChoiceField(choices=list(Scope)), read_only=True
    )
    state = serializers.ChoiceField(choices=KEY_STATES, read_only=True)
    is_from_environment = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True, allow_null=True)
    rotated_at = serializers.DateTimeField(read_only=True, allow_null=True)
    revoked_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="To the minute.")

    def to_representation(self, instance: ApiKey) -> dict[str, Any]:
        return {
            "key_id": str(instance.pk),
            "name": instance.name,
            "prefix": instance.prefix,
            "scopes": [scope.value for scope in instance.scope_list],
            "state": instance.state(timezone.now()),
            "is_from_environment": instance.is_from_environment,
            "created_at": written(instance.created_at),
            "expires_at": written(instance.expires_at),
            "rotated_at": written(instance.rotated_at),
            "revoked_at": written(instance.revoked_at),
            "last_used_at": written(instance.last_used_at),
        }


class NewKeySerializer(KeySerializer):
    """A key as the one answer that makes it shows it."""

    key = serializers.CharField(read_only=True, help_text="Shown this once; only its digest is kept.")

    def to_representation(self, instance: ApiKey) -> dict[str, Any]:
        return super().to_representation(instance) | {"key": self.context["plain"]}


class KeyCreateSerializer(serializers.Serializer[ApiKey]):
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=list(Scope)),
        default=lambda: [Scope.READ, Scope.WRITE],
        allow_empty=False,
        max_length=len(Scope),
    )
    expires_at = serializers.DateTimeField(default=None, allow_null=True, help_text="Without it, never.")

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        now = timezone.now()
        if value is not None and not now < value <= now + MAX_LIFETIME:
            raise serializers.ValidationError("This must lie in the future, by ten years at most.", code="out_of_range")
        return value


class KeyRenameSerializer(serializers.Serializer[ApiKey]):
    name = serializers.CharField(max_length=100)


class KeyRotateSerializer(serializers.Serializer[ApiKey]):
    overlap_hours = serializers.IntegerField(
        default=0, min_value=0, max_value=MAX_OVERLAP_HOURS, help_text="For how long the old key goes on."
    )


class LimitSerializer(serializers.Serializer[dict[str, int]]):
    per_minute = serializers.IntegerField()
    per_hour = serializers.IntegerField()


class MeSerializer(serializers.Serializer[dict[str, Any]]):
    user_id = serializers.UUIDField()
    username = serializers.CharField()
    display_name = serializers.CharField()
    is_operator = serializers.BooleanField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=list(Scope)))
    key = KeySerializer(allow_null=True, help_text="The key of this request; null for a session.")
    max_concurrent_jobs = serializers.IntegerField(allow_null=True)
    max_stored_bytes = serializers.IntegerField(allow_null=True)
    submissions = LimitSerializer()
    reads = LimitSerializer()


def written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
