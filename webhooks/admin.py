"""Webhooks and deliveries for operators: to look at, to disable, and to send again. Secrets are not shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from downloads.admin_lists import (
    OfOwnerAdmin,
    ReadOnlyAdmin,
    among_newest,
    anchor,
    chosen_from,
    id_of,
    list_anchor,
    tell,
    user_named,
)
from webhooks import messages as messages_of
from webhooks.models import Delivery, DisabledReason, Endpoint, Failure
from webhooks.models.delivery import DeliveryQuerySet
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
    readonly_fields = ("all_messages",)
    actions = ("disable", "enable")

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_endpoint")

    @admin.display(description=_("deliveries"))
    def all_messages(self, endpoint: Endpoint) -> str:
        return list_anchor("webhooks_delivery", f"endpoint__id__exact={endpoint.pk}", gettext("All messages to it"))

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
    indexed_parameters = frozenset({"endpoint", "owner", "request_id"})
    search_fields = ("url", "=response_status")
    search_help_text = among_newest(
        _(
            "A whole id (the message's own, which is its webhook-id, or of a webhook, job or batch), user's name or"
            " error code; or, among the newest {newest}, part of an address, the status of an answer."
        )
    )
    exclude = ("request_id", "lane", "occasion", "lease", "worker")
    readonly_fields = ("about",)
    actions = ("send_again",)

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        deliveries: DeliveryQuerySet = rows  # type: ignore[assignment]  # of their manager
        if found := id_of(term):
            # One after the other, since no index answers all of them at once.
            own, of_endpoint = deliveries.filter(pk=found), deliveries.filter(endpoint=found)
            return next((each for each in (own, of_endpoint) if each.exists()), deliveries.telling_of(found))
        if term in Failure.values:
            return deliveries.with_error(term)
        owner = user_named(term)
        return deliveries.filter(owner=owner) if owner else None

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
