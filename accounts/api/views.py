"""Keys and "who am I". Whoever makes a key can give it no scope that they have not themselves.

An answer that is repeated for its Idempotency-Key has everything but the key: for that the key would have to be kept.
"""

# ruff: noqa: ARG002 - DRF's signatures

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.api import describe, schema  # noqa: F401  # drf-spectacular learns of our authentication by the import
from accounts.api.requests import KeyChangeSerializer, KeyListQuery, KeyRotationSerializer, NewKeySerializer
from accounts.api.responses import KeySerializer, represent_key, represent_principal
from accounts.models import ApiKey, KeyUnusableError
from accounts.models.key import ApiKeyQuerySet
from accounts.permissions import IsPersonOrHasScope, covers
from accounts.principal import Principal, principal_of
from downloads.api.idempotency import idempotent
from downloads.api.pagination import link, page_of, position_of
from downloads.api.query import NoQuery
from downloads.api.strict import StrictSerializer
from downloads.library import Ordering

# Ids are made in the order of time.
NEWEST_FIRST = Ordering(name="-key", field="pk")


class WrongStateError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "wrong_state"


class KeyViewSet(GenericViewSet):  # type: ignore[type-arg]  # no subscript at run time
    # Not `write`: whoever finds a key that submits jobs must not be able to make himself another.
    permission_classes = (IsPersonOrHasScope,)
    required_scopes: ClassVar[dict[str, str]] = {"GET": "read", "OPTIONS": "read", "*": "admin"}
    serializer_class = KeySerializer
    lookup_url_kwarg = "key_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> ApiKeyQuerySet:
        return ApiKey.objects.owned_by(principal_of(self.request).user)

    @extend_schema(**describe.LIST)
    def list(self, request: Request) -> Response:
        query = KeyListQuery.read(request)
        position = position_of(query["cursor"], NEWEST_FIRST) if query["cursor"] else None
        page = page_of(self.get_queryset(), NEWEST_FIRST, query["limit"], position)
        kept = {"limit": query["limit"]}
        now = timezone.now()
        return Response(
            {
                "results": [represent_key(key, now) for key in page.rows],
                "next": link(request.path, kept, page.next, NEWEST_FIRST),
                "previous": link(request.path, kept, page.previous, NEWEST_FIRST),
            }
        )

    @extend_schema(**describe.RETRIEVE)
    def retrieve(self, request: Request, key_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        return Response(represent_key(self.get_object(), timezone.now()))

    @extend_schema(**describe.CREATE)
    @idempotent(secrets=["key"])
    def create(self, request: Request) -> Response:
        wanted = read(NewKeySerializer, request)
        principal = principal_of(request)
        refuse_more_than(principal, wanted["scopes"])
        return shown_once(request, *ApiKey.objects.issue(principal.user, **wanted))

    @extend_schema(**describe.CHANGE)
    def partial_update(self, request: Request, key_id: uuid.UUID) -> Response:
        key = self.get_object()
        wanted = read(KeyChangeSerializer, request)
        try:
            key.change(**wanted)
        except KeyUnusableError as error:
            raise WrongStateError(str(error)) from error
        return Response(represent_key(key, timezone.now()))

    @extend_schema(**describe.REVOKE)
    def destroy(self, request: Request, key_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        self.get_object().revoke()
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(**describe.ROTATE)
    @idempotent(secrets=["key"])
    def rotate(self, request: Request, key_id: uuid.UUID) -> Response:
        key = self.get_object()
        wanted = read(KeyRotationSerializer, request)
        refuse_more_than(principal_of(request), key.scope_set)
        try:
            return shown_once(request, *key.rotate(timedelta(hours=wanted["overlap_hours"])))
        except KeyUnusableError as error:
            raise WrongStateError(str(error)) from error


class MeView(APIView):
    """Who the request acts for, and what it may do."""

    @extend_schema(**describe.ME)
    def get(self, request: Request) -> Response:
        NoQuery.read(request)
        return Response(represent_principal(principal_of(request), timezone.now()))


def read(serializer_class: type[StrictSerializer[Any]], request: Request) -> dict[str, Any]:
    """The body, and nothing in the query. Raises ValidationError."""
    NoQuery.read(request)
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def refuse_more_than(principal: Principal, scopes: Iterable[str]) -> None:
    if lacking := {scope for scope in scopes if not covers(principal.scopes, scope)}:
        missing = ", ".join(sorted(lacking))
        raise PermissionDenied(f"A key can be given no scope that you do not have: {missing}.", "insufficient_scope")


def shown_once(request: Request, key: ApiKey, plain: str) -> Response:
    body = represent_key(key, timezone.now()) | {"key": plain}
    namespaces = request.resolver_match.namespaces if request.resolver_match else []
    location = reverse(":".join([*namespaces, "key-detail"]), args=[key.pk])
    return Response(body, status=status.HTTP_201_CREATED, headers={"Location": location, "Cache-Control": "no-store"})
