"""Webhooks and deliveries for operators: to look at, to disable, and to send again. Secrets are not shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from downloads.admin_lists import NEWEST, ReadOnlyAdmin, chosen_from
from webhooks import messages as messages_of
from webhooks.models import Delivery, DisabledReason, Endpoint
from webhooks.models.endpoint import WebhookStateError

Row = TypeVar("Row", bound=Model)
EVENTS = (*messages_of.BY_KIND.values(), messages_of.EXPIRING, messages_of.BATCH_COMPLETED, messages_of.TEST)


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "owner", "is_enabled", "disabled_reason", "created_at")
    list_filter = ("is_enabled", "disabled_reason", "is_for_requests")
    list_select_related = ("owner",)
    search_fields = ("url", "description", "owner__username")
    exclude = ("sealed_secret", "sealed_previous_secret")
    actions = ("disable", "enable")

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_endpoint")

    @admin.action(description="Disable", permissions=["steer"])
    def disable(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        _each(self, request, endpoints, "Disabled", lambda endpoint: endpoint.disable(DisabledReason.OPERATOR))

    @admin.action(description="Enable", permissions=["steer"])
    def enable(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        _each(self, request, endpoints, "Enabled", Endpoint.enable)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "event", "url", "owner", "status", "attempts", "error", "response_status")
    list_filter = ("status", chosen_from("event", EVENTS), "error")
    list_select_related = ("owner",)
    search_fields = ("request_id", "url", "owner__username")
    search_help_text = f"A job's id, part of an address or of a user's name, {NEWEST}."
    exclude = ("lane", "occasion", "lease", "worker")
    actions = ("send_again",)

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_delivery")

    @admin.action(description="Send again", permissions=["steer"])
    def send_again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        _each(self, request, deliveries.select_related("endpoint"), "Sent again", Delivery.redeliver)


def _each(
    site: ReadOnlyAdmin, request: HttpRequest, rows: Iterable[Row], done: str, perform: Callable[[Row], None]
) -> None:
    """What was done goes into the admin's own log."""
    accepted = refused = 0
    for row in rows:
        try:
            perform(row)
        except WebhookStateError:
            refused += 1
        else:
            site.log_change(request, row, f"{done}.")
            accepted += 1
    if accepted:
        site.message_user(request, f"{done}: {accepted}.", messages.SUCCESS)
    if refused:
        site.message_user(request, f"Refused, because of their state: {refused}.", messages.WARNING)
