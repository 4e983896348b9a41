"""Webhooks and deliveries for operators: to look at, to disable, and to send again. Secrets are not shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from downloads.admin_lists import OfOwnerAdmin, ReadOnlyAdmin, among_newest, anchor, chosen_from, tell
from webhooks import messages as messages_of
from webhooks.models import Delivery, DisabledReason, Endpoint
from webhooks.models.endpoint import WebhookStateError

Row = TypeVar("Row", bound=Model)
EVENTS = (*messages_of.BY_KIND.values(), messages_of.EXPIRING, messages_of.BATCH_COMPLETED, messages_of.TEST)


@admin.register(Endpoint)
class EndpointAdmin(OfOwnerAdmin):
    list_display = ("__str__", "owner", "is_enabled", "disabled_reason", "created_at")
    list_filter = ("is_enabled", "disabled_reason", "is_for_requests")
    search_fields = ("url", "description")
    search_help_text = among_newest(
        _("A whole id or user's name; or, among the newest {newest}, part of an address or a description.")
    )
    exclude = ("sealed_secret", "sealed_previous_secret")
    actions = ("disable", "enable")

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_endpoint")

    @admin.action(description=_("Disable"), permissions=["steer"])
    def disable(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        _each(self, request, endpoints, gettext_noop("Disabled"), _disable)

    @admin.action(description=_("Enable"), permissions=["steer"])
    def enable(self, request: HttpRequest, endpoints: QuerySet[Endpoint]) -> None:
        _each(self, request, endpoints, gettext_noop("Enabled"), Endpoint.enable)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "event", "about", "url", "owner", "status", "attempts", "error", "response_status")
    list_filter = ("status", chosen_from("event", _("event"), EVENTS), "error")
    list_select_related = ("owner",)
    indexed_parameters = frozenset({"endpoint"})
    search_fields = ("request_id", "url")
    search_help_text = among_newest(_("Among the newest {newest}: a job's id, part of an address."))
    exclude = ("request_id", "lane", "occasion", "lease", "worker")
    readonly_fields = ("about",)
    actions = ("send_again",)

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_delivery")

    @admin.display(description=_("tells of"))
    def about(self, delivery: Delivery) -> str:
        """The message outlives what it tells of."""
        if delivery.request_id is None:
            return "-"
        kind = "batch" if delivery.event == messages_of.BATCH_COMPLETED else "job"
        return anchor(reverse(f"admin:downloads_{kind}_change", args=[delivery.request_id]), str(delivery.request_id))

    @admin.action(description=_("Send again"), permissions=["steer"])
    def send_again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        _each(self, request, deliveries.select_related("endpoint"), gettext_noop("Sent again"), Delivery.redeliver)


def _disable(endpoint: Endpoint) -> None:
    endpoint.disable(DisabledReason.OPERATOR)


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
    tell(site, request, done, accepted, refused)
