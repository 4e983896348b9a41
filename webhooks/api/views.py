"""Webhooks and their deliveries: thin over the verbs of webhooks.models."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.limits import RateScope
from accounts.models import User
from accounts.principal import principal_of
from downloads.api.idempotency import idempotent
from downloads.api.pagination import link, page_of, position_of
from downloads.api.problem import Problem
from downloads.api.query import NoQuery
from downloads.api.requests import NothingSerializer
from downloads.api.strict import StrictSerializer
from downloads.library import Ordering
from webhooks import outbox
from webhooks.api import describe
from webhooks.api.requests import (
    DeliveryListQuery,
    NewWebhookSerializer,
    SecretRotationSerializer,
    WebhookChangeSerializer,
    WebhookListQuery,
)
from webhooks.api.responses import (
    WebhookSerializer,
    represent_delivery,
    represent_endpoint,
    represent_whole_delivery,
)
from webhooks.models import Delivery, DisabledReason, Endpoint
from webhooks.models.delivery import DeliveryQuerySet
from webhooks.models.endpoint import EndpointQuerySet, TooManyEndpointsError, WebhookStateError

# Ids are made in the order of time.
NEWEST_WEBHOOK = Ordering(name="-webhook", field="pk")
NEWEST_DELIVERY = Ordering(name="-delivery", field="pk")

T = TypeVar("T")


class WebhookViewSet(GenericViewSet[Endpoint]):
    serializer_class = WebhookSerializer
    lookup_url_kwarg = "webhook_id"
    lookup_value_converter = "uuid"
    # None leaves it to the method; what makes requests of ours costs what a submission does.
    rate_scope: RateScope | None = None

    @property
    def owner(self) -> User:
        return principal_of(self.request).user

    def get_queryset(self) -> EndpointQuerySet:
        return Endpoint.objects.owned_by(self.owner)

    def deliveries_of(self, endpoint: Endpoint) -> DeliveryQuerySet:
        return Delivery.objects.filter(endpoint=endpoint)

    def delivery(self, delivery_id: uuid.UUID) -> Delivery:
        rows = self.deliveries_of(self.get_object()).select_related("endpoint")
        delivery: Delivery = get_object_or_404(rows, pk=delivery_id)
        return delivery

    # --- Webhooks -----------------------------------------------------------------------------------------------

    @extend_schema(**describe.LIST)
    def list(self, request: Request) -> Response:
        query = WebhookListQuery.read(request)
        position = position_of(query["cursor"], NEWEST_WEBHOOK) if query["cursor"] is not None else None
        page = page_of(self.get_queryset(), NEWEST_WEBHOOK, query["limit"], position)
        kept, now = {"limit": query["limit"]}, timezone.now()
        return Response(
            {
                "results": [represent_endpoint(endpoint, now) for endpoint in page.rows],
                "next": link(request.path, kept, page.next, NEWEST_WEBHOOK),
                "previous": link(request.path, kept, page.previous, NEWEST_WEBHOOK),
            }
        )

    @extend_schema(**describe.CREATE)
    @idempotent(secrets=["secret"])
    def create(self, request: Request) -> Response:
        wanted = read(NewWebhookSerializer, request)
        try:
            endpoint, secret = Endpoint.objects.add(self.owner, **wanted)
        except TooManyEndpointsError as error:
            raise Problem(409, "too_many_webhooks", "You have as many webhooks as you may.") from error
        return shown_once(endpoint, secret, status.HTTP_201_CREATED)

    @extend_schema(**describe.REQUESTS)
    @idempotent(secrets=["secret"])
    def for_requests(self, request: Request) -> Response:
        overlap = timedelta(hours=read(SecretRotationSerializer, request)["overlap_hours"])
        endpoint = Endpoint.objects.of_requests(self.owner.pk)
        return shown_once(endpoint, endpoint.rotate(overlap), status.HTTP_201_CREATED)

    @extend_schema(**describe.RETRIEVE)
    def retrieve(self, request: Request, webhook_id: uuid.UUID) -> Response:  # noqa: ARG002 - DRF's signature
        NoQuery.read(request)
        return shown(self.get_object())

    @extend_schema(**describe.CHANGE)
    def partial_update(self, request: Request, webhook_id: uuid.UUID) -> Response:  # noqa: ARG002
        endpoint = self.get_object()
        wanted = read(WebhookChangeSerializer, request)
        is_enabled = wanted.pop("is_enabled", None)
        with transaction.atomic():
            if wanted:
                attempt(lambda: endpoint.change(**wanted))
            if is_enabled is True:
                endpoint.enable()
            elif is_enabled is False:
                endpoint.disable(DisabledReason.OWNER)
        return shown(endpoint)

    @extend_schema(**describe.DESTROY)
    def destroy(self, request: Request, webhook_id: uuid.UUID) -> Response:  # noqa: ARG002
        NoQuery.read(request)
        Endpoint.objects.filter(pk=self.get_object().pk).remove()
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(**describe.ROTATE)
    def rotate(self, request: Request, webhook_id: uuid.UUID) -> Response:  # noqa: ARG002
        endpoint = self.get_object()
        overlap = timedelta(hours=read(SecretRotationSerializer, request)["overlap_hours"])
        return shown_once(endpoint, endpoint.rotate(overlap), status.HTTP_200_OK)

    @extend_schema(**describe.TEST)
    def test(self, request: Request, webhook_id: uuid.UUID) -> Response:  # noqa: ARG002
        endpoint = self.get_object()
        read(NothingSerializer, request)
        delivery = attempt(lambda: outbox.record_test(endpoint))
        return Response(represent_delivery(delivery), status=status.HTTP_202_ACCEPTED)

    # --- Their deliveries ---------------------------------------------------------------------------------------

    @extend_schema(**describe.DELIVERIES)
    def deliveries(self, request: Request, webhook_id: uuid.UUID) -> Response:  # noqa: ARG002
        rows = self.deliveries_of(self.get_object())
        query = DeliveryListQuery.read(request)
        wanted = {name: query[name] for name in ("status", "event", "request_id") if query[name] is not None}
        position = position_of(query["cursor"], NEWEST_DELIVERY) if query["cursor"] is not None else None
        page = page_of(rows.filter(**wanted).defer("body"), NEWEST_DELIVERY, query["limit"], position)
        given = request.query_params.dict()
        return Response(
            {
                "results": [represent_delivery(delivery) for delivery in page.rows],
                "next": link(request.path, given, page.next, NEWEST_DELIVERY),
                "previous": link(request.path, given, page.previous, NEWEST_DELIVERY),
            }
        )

    @extend_schema(**describe.DELIVERY_RETRIEVE)
    def retrieve_delivery(self, request: Request, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Response:  # noqa: ARG002
        NoQuery.read(request)
        return Response(represent_whole_delivery(self.delivery(delivery_id)))

    @extend_schema(**describe.REDELIVER)
    def redeliver(self, request: Request, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> Response:  # noqa: ARG002
        delivery = self.delivery(delivery_id)
        read(NothingSerializer, request)
        attempt(delivery.redeliver)
        return Response(represent_delivery(delivery), status=status.HTTP_202_ACCEPTED)


def read(serializer_class: type[StrictSerializer[Any]], request: Request) -> dict[str, Any]:
    """The body, and nothing in the query. Raises ValidationError."""
    NoQuery.read(request)
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def attempt(action: Callable[[], T]) -> T:
    """Raises Problem for what this webhook does not allow."""
    try:
        return action()
    except WebhookStateError as error:
        raise Problem(409, "wrong_state", str(error)) from error


def shown(endpoint: Endpoint) -> Response:
    return Response(represent_endpoint(endpoint, timezone.now()))


def shown_once(endpoint: Endpoint, secret: str, code: int) -> Response:
    body = represent_endpoint(endpoint, timezone.now()) | {"secret": secret}
    headers = {"Location": f"/api/v1/webhooks/{endpoint.pk}", "Cache-Control": "no-store"}
    return Response(body, status=code, headers=headers)
