"""What may be asked for: bodies and queries, read as strictly as everywhere in this API. The pages validate with it."""

from __future__ import annotations

from typing import Any

from rest_framework.fields import empty

from downloads.api.batch_requests import BATCH_EVENTS
from downloads.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from downloads.api.query import MAX_CURSOR_LENGTH, QueryIntegerField, QuerySerializer
from downloads.api.requests import DEFAULT_WEBHOOK_EVENTS, AddressField, matches
from downloads.api.strict import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictSerializer,
    StrictUUIDField,
)
from webhooks.messages import TEST
from webhooks.models import DeliveryStatus
from webhooks.models.endpoint import MAX_DESCRIPTION_LENGTH, MAX_URL_LENGTH

MAX_OVERLAP_HOURS = 30 * 24
DEFAULT_OVERLAP_HOURS = 24
ONE_LINE = r"^[^\x00-\x1f\x7f]*$"


class EventsField(StrictListField):
    def __init__(self, **options: Any) -> None:
        child = StrictChoiceField(BATCH_EVENTS)
        super().__init__(child=child, min_length=1, max_length=len(BATCH_EVENTS), **options)

    def run_validation(self, data: Any = empty) -> list[str]:
        """Each once, in the order of the list, however often it was given."""
        chosen = set(super().run_validation(data))
        return [event for event in BATCH_EVENTS if event in chosen]


class DescriptionField(StrictCharField):
    def __init__(self, **options: Any) -> None:
        validators = [matches(ONE_LINE, "This has control characters.")]
        super().__init__(max_length=MAX_DESCRIPTION_LENGTH, allow_blank=True, validators=validators, **options)


class NewWebhookSerializer(StrictSerializer[Any]):
    """A webhook to be made."""

    url = AddressField(max_length=MAX_URL_LENGTH, help_text="Where to send reports: http or https, and public.")
    events = EventsField(default=list(DEFAULT_WEBHOOK_EVENTS), help_text="What to report.")
    description = DescriptionField(default="", help_text="What it is for.")


class WebhookChangeSerializer(StrictSerializer[Any]):
    """What may be changed; what is not given stays."""

    url = AddressField(max_length=MAX_URL_LENGTH, required=False)
    events = EventsField(required=False)
    description = DescriptionField(required=False)
    is_enabled = StrictBooleanField(
        required=False, help_text="While it is false nothing is recorded for it, and what waits becomes dead letters."
    )


class SecretRotationSerializer(StrictSerializer[Any]):
    """A secret's end, and a new one in its place."""

    overlap_hours = StrictIntegerField(
        default=DEFAULT_OVERLAP_HOURS,
        min_value=0,
        max_value=MAX_OVERLAP_HOURS,
        help_text="For how long the old secret signs, too.",
    )


class WebhookListQuery(QuerySerializer):
    limit = QueryIntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    cursor = StrictCharField(default=None, max_length=MAX_CURSOR_LENGTH, help_text="As `next` or `previous` has it.")


class DeliveryListQuery(WebhookListQuery):
    status = StrictChoiceField(tuple(DeliveryStatus.values), default=None, help_text="Only those in this state.")
    event = StrictChoiceField((*BATCH_EVENTS, TEST), default=None, help_text="Only those of this event.")
    request_id = StrictUUIDField(default=None, help_text="Only those that tell of this job or batch.")
