"""Keys and "who am I". Whoever makes a key can give it no scope that they have not themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.api import schema  # noqa: F401  # drf-spectacular learns of our authentication by the import
from accounts.api.serializers import (
    KeyCreateSerializer,
    KeyRenameSerializer,
    KeyRotateSerializer,
    KeySerializer,
    MeSerializer,
    NewKeySerializer,
)
from accounts.limits import RateScope, policy_of
from accounts.models import ApiKey, KeyUnusableError
from accounts.models.key import ApiKeyQuerySet
from accounts.permissions import HasScope, IsSessionOrAdmin
from accounts.principal import Principal, principal_of


class WrongStateError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "wrong_state"


class KeyPagination(CursorPagination):
    page_size = 20
    max_page_size = 100
    page_size_query_param = "limit"
    ordering = ("-created_at", "-id")


class KeyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[ApiKey]):
    permission_classes = (HasScope, IsSessionOrAdmin)
    # What IsSessionOrAdmin lets through needs no `write`: a key that only administers may still make keys.
    required_scopes: ClassVar[dict[str, str]] = {"*": "read"}
    serializer_class = KeySerializer
    pagination_class = KeyPagination
    lookup_url_kwarg = "key_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> ApiKeyQuerySet:
        return ApiKey.objects.owned_by(principal_of(self.request).user)

    @extend_schema(request=KeyCreateSerializer, responses={201: NewKeySerializer})
    def create(self, request: Request) -> Response:
        wanted = KeyCreateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        principal = principal_of(request)
        refuse_more_than(principal, wanted.validated_data["scopes"])
        key, plain = ApiKey.objects.issue(principal.user, **wanted.validated_data)
        return shown_once(request, key, plain)

    @extend_schema(request=KeyRenameSerializer, responses=KeySerializer)
    def partial_update(self, request: Request, key_id: Any) -> Response:
        key = self.get_object()
        wanted = KeyRenameSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            key.rename(wanted.validated_data["name"])
        except KeyUnusableError as error:
            raise WrongStateError(str(error)) from error
        return Response(KeySerializer(key).data)

    @extend_schema(responses={204: OpenApiResponse(description="Revoked: it is refused from now on.")})
    def destroy(self, request: Request, key_id: Any) -> Response:
        self.get_object().revoke()
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=KeyRotateSerializer, responses={201: NewKeySerializer})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, key_id: Any) -> Response:
        key = self.get_object()
        wanted = KeyRotateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        refuse_more_than(principal_of(request), key.scope_set)
        try:
            replacement, plain = key.rotate(timedelta(hours=wanted.validated_data["overlap_hours"]))
        except KeyUnusableError as error:
            raise WrongStateError(str(error)) from error
        return shown_once(request, replacement, plain)


class MeView(APIView):
    """Who the request acts for, and what it may do and use."""

    rate_scope: RateScope = "reads"

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        principal = principal_of(request)
        return Response(MeSerializer(self.describe(principal)).data)

    def describe(self, principal: Principal) -> dict[str, Any]:
        user = principal.user
        return {
            "user_id": user.pk,
            "username": user.username,
            "display_name": user.display_name,
            "is_operator": principal.is_operator,
            "scopes": sorted(principal.scopes),
            "key": principal.key,
            "max_concurrent_jobs": user.max_concurrent_jobs,
            "max_stored_bytes": user.max_stored_bytes,
            "submissions": allowed_rate("submissions"),
            "reads": allowed_rate("reads"),
        }


def allowed_rate(scope: RateScope) -> dict[str, int]:
    policy = policy_of(scope)
    return {"per_minute": policy.minute.count, "per_hour": policy.hour.count}


def refuse_more_than(principal: Principal, scopes: Iterable[str]) -> None:
    if lacking := set(scopes) - principal.scopes:
        missing = ", ".join(sorted(lacking))
        raise PermissionDenied(f"A key can be given no scope that you do not have: {missing}.", "insufficient_scope")


def shown_once(request: Request, key: ApiKey, plain: str) -> Response:
    body = NewKeySerializer(key, context={"plain": plain}).data
    namespaces = request.resolver_match.namespaces if request.resolver_match else []
    location = reverse(":".join([*namespaces, "key-detail"]), args=[key.pk])
    return Response(body, status=status.HTTP_201_CREATED, headers={"Location": location, "Cache-Control": "no-store"})
