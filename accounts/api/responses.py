"""What is answered: the shapes for the API's description, and the rows as they are sent."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from rest_framework import serializers

from accounts.api.requests import CONCURRENT, PER_DAY, PER_MINUTE, SCOPES
from accounts.limits import RateScope, key_policy, policy_of
from accounts.models import ApiKey
from accounts.models.usage import day_ends_at
from accounts.principal import Principal
from accounts.quotas import limits_of
from downloads import quotas
from downloads.api.representation import written

Shape = serializers.Serializer[Any]

KEY_STATES = ("active", "expired", "revoked")


class KeySerializer(Shape):
    """A key as it is listed: nothing here helps to use it."""

    key_id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="The part of the key that may be shown.")
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))
    state = serializers.ChoiceField(KEY_STATES)
    is_from_environment = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    rotated_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    max_concurrent_jobs = serializers.IntegerField(allow_null=True, help_text=CONCURRENT)
    max_jobs_per_day = serializers.IntegerField(allow_null=True, help_text=PER_DAY)
    rate_limit_per_minute = serializers.IntegerField(allow_null=True, help_text=PER_MINUTE)


class IssuedKeySerializer(KeySerializer):
    """A key as the one answer that makes it shows it."""

    key = serializers.CharField(
        allow_null=True, help_text="Shown this once, since only its digest is kept: null when the answer is repeated."
    )


class KeyListSerializer(Shape):
    results = KeySerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class RateSerializer(Shape):
    """How often; per key or person, and per address."""

    per_minute = serializers.IntegerField()
    per_hour = serializers.IntegerField()


class UsageSerializer(Shape):
    """What is used of the owner's limits. Deleting a job gives nothing of the day back."""

    running_jobs = serializers.IntegerField()
    queued_jobs = serializers.IntegerField()
    jobs_today = serializers.IntegerField(help_text="Submitted since 00:00 UTC.")
    bytes_today = serializers.IntegerField(help_text="Downloaded since 00:00 UTC, counted as they arrive.")
    stored_bytes = serializers.IntegerField()


class LimitsSerializer(Shape):
    """The owner's limits, whether set for them or for all; null is no limit."""

    concurrent_jobs = serializers.IntegerField(allow_null=True)
    queued_jobs = serializers.IntegerField(allow_null=True)
    jobs_per_day = serializers.IntegerField(allow_null=True)
    bytes_per_day = serializers.IntegerField(allow_null=True)
    stored_bytes = serializers.IntegerField(allow_null=True)


class MeSerializer(Shape):
    """Who a request acts for, and what it may do."""

    user_id = serializers.UUIDField()
    username = serializers.CharField()
    display_name = serializers.CharField()
    is_operator = serializers.BooleanField(help_text="Whether this request may administer.")
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))
    key = KeySerializer(allow_null=True, help_text="The key of this request; null without one.")
    max_concurrent_jobs = serializers.IntegerField(allow_null=True, help_text="Null is the server's own limit.")
    max_stored_bytes = serializers.IntegerField(allow_null=True, help_text="Null is the server's own limit.")
    usage = UsageSerializer()
    limits = LimitsSerializer()
    day_resets_at = serializers.DateTimeField(help_text="When jobs_today and bytes_today begin again.")
    submissions = RateSerializer()
    reads = RateSerializer()


def represent_key(key: ApiKey, at: datetime) -> dict[str, Any]:
    return {
        "key_id": str(key.pk),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scope_list,
        "state": key.state(at),
        "is_from_environment": key.is_from_environment,
        "created_at": written(key.created_at),
        "expires_at": written(key.expires_at),
        "rotated_at": written(key.rotated_at),
        "revoked_at": written(key.revoked_at),
        "last_used_at": written(key.last_used_at),
        **key.limits,
    }


def represent_principal(principal: Principal, at: datetime) -> dict[str, Any]:
    user = principal.user
    return {
        "user_id": str(user.pk),
        "username": user.username,
        "display_name": user.display_name,
        "is_operator": principal.is_operator,
        "scopes": principal.scope_list,
        "key": None if principal.key is None else represent_key(principal.key, at),
        "max_concurrent_jobs": user.max_concurrent_jobs,
        "max_stored_bytes": user.max_stored_bytes,
        "usage": asdict(quotas.usage_of(user)),
        "limits": asdict(limits_of(user)),
        "day_resets_at": written(day_ends_at()),
        "submissions": represent_rate("submissions", principal.key),
        "reads": represent_rate("reads", principal.key),
    }


def represent_rate(scope: RateScope, key: ApiKey | None) -> dict[str, int]:
    policy = policy_of(scope) if key is None else key_policy(key, policy_of(scope))
    return {"per_minute": policy.minute.count, "per_hour": policy.hour.count}
