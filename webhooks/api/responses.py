"""What is answered: the shapes for the API's description, and the rows as they are sent."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from rest_framework import serializers

from downloads.api.batch_requests import BATCH_EVENTS
from downloads.api.representation import written
from webhooks.models import Delivery, DeliveryStatus, DisabledReason, Endpoint, Failure

Shape = serializers.Serializer[Any]


class WebhookSerializer(Shape):
    """A webhook as it is listed, without its secret."""

    webhook_id = serializers.UUIDField()
    url = serializers.CharField(
        allow_null=True, help_text="Null for the one whose secret signs what goes to `webhook_url` of single requests."
    )
    description = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(BATCH_EVENTS))
    is_enabled = serializers.BooleanField()
    disabled_reason = serializers.ChoiceField(DisabledReason.values, allow_null=True)
    created_at = serializers.DateTimeField()
    rotated_at = serializers.DateTimeField(allow_null=True, help_text="When the secret was last replaced.")
    previous_secret_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then the secret of before signs, too."
    )


class IssuedWebhookSerializer(WebhookSerializer):
    """A webhook as the one answer shows it that makes its secret."""

    secret = serializers.CharField(
        allow_null=True, help_text="Shown this once: null when the answer is repeated for its Idempotency-Key."
    )


class WebhookListSerializer(Shape):
    results = WebhookSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class DeliverySerializer(Shape):
    """A message to one address, and what came of its last attempt."""

    delivery_id = serializers.UUIDField(help_text="Also the header `webhook-id`, the same for all attempts.")
    webhook_id = serializers.UUIDField()
    event = serializers.CharField()
    request_id = serializers.UUIDField(allow_null=True, help_text="The job or batch that it tells of.")
    url = serializers.CharField()
    status = serializers.ChoiceField(DeliveryStatus.values)
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    error = serializers.ChoiceField(Failure.values, allow_null=True)
    response_status = serializers.IntegerField(allow_null=True)
    response_excerpt = serializers.CharField(help_text="The beginning of what was answered.")
    duration_sec = serializers.FloatField(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class WholeDeliverySerializer(DeliverySerializer):
    payload = serializers.DictField(help_text="The body that is sent.")


class DeliveryListSerializer(Shape):
    results = DeliverySerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


def represent_endpoint(endpoint: Endpoint, at: datetime) -> dict[str, Any]:
    until = endpoint.previous_secret_until
    return {
        "webhook_id": str(endpoint.pk),
        "url": endpoint.url or None,
        "description": endpoint.description,
        "events": endpoint.events,
        "is_enabled": endpoint.is_enabled,
        "disabled_reason": endpoint.disabled_reason or None,
        "created_at": written(endpoint.created_at),
        "rotated_at": written(endpoint.rotated_at),
        "previous_secret_until": written(until) if until and until > at else None,
    }


def represent_delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery_id": str(delivery.pk),
        "webhook_id": str(delivery.endpoint_id),
        "event": delivery.event,
        "request_id": str(delivery.request_id) if delivery.request_id else None,
        "url": delivery.url,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_attempt_at": written(delivery.next_attempt_at) if delivery.status == DeliveryStatus.PENDING else None,
        "error": delivery.error or None,
        "response_status": delivery.response_status,
        "response_excerpt": delivery.response_excerpt,
        "duration_sec": None if delivery.duration is None else round(delivery.duration, 3),
        "created_at": written(delivery.created_at),
        "finished_at": written(delivery.finished_at),
    }


def represent_whole_delivery(delivery: Delivery) -> dict[str, Any]:
    return represent_delivery(delivery) | {"payload": json.loads(delivery.body)}
