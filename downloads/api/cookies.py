"""Stored cookies: add, list, show, delete, and try them. What they are is in no answer."""

# ruff: noqa: ARG002 - DRF's signatures
from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.principal import principal_of
from downloads import addresses, cookies, netscape, probing
from downloads.api import describe_cookies
from downloads.api.cookie_shapes import (
    CookieListQuery,
    CookiesFileSerializer,
    CookiesSerializer,
    CookiesTestRequestSerializer,
    CookiesTextSerializer,
    represent_cookies,
    represent_test,
)
from downloads.api.idempotency import idempotent
from downloads.api.pagination import link, page_of, position_of
from downloads.api.probes import Answer, answer_of
from downloads.api.problem import Problem, refused
from downloads.api.query import NoQuery
from downloads.api.strict import StrictJSONParser
from downloads.library import Ordering
from downloads.models import CookieJar, ProbeKind
from downloads.models.cookies import CookieJarQuerySet

# Ids are made in the order of time.
NEWEST_FIRST = Ordering(name="-cookies", field="pk")
# Who asks twice within this time is told what the first look has found.
TEST_AGE = timedelta(seconds=30)
HOW_TO_EXPORT = (
    "A server has no browser of yours. Export the cookies of the site in Netscape format with an extension of your "
    "browser, or with: yt-dlp --cookies-from-browser firefox --cookies cookies.txt, and send them as `cookies` or "
    "`file`."
)


class CookiesViewSet(GenericViewSet[CookieJar]):
    parser_classes = (StrictJSONParser, MultiPartParser)
    serializer_class = CookiesSerializer
    lookup_url_kwarg = "cookie_id"
    lookup_value_converter = "uuid"

    def get_queryset(self) -> CookieJarQuerySet:
        return CookieJar.objects.owned_by(principal_of(self.request).user)

    @extend_schema(**describe_cookies.LIST)
    def list(self, request: Request) -> Response:
        query = CookieListQuery.read(request)
        position = position_of(query["cursor"], NEWEST_FIRST) if query["cursor"] else None
        page = page_of(self.get_queryset().defer("ciphertext"), NEWEST_FIRST, query["limit"], position)
        kept, now = {"limit": query["limit"]}, timezone.now()
        return Response(
            {
                "results": [represent_cookies(jar, now) for jar in page.rows],
                "next": link(request.path, kept, page.next, NEWEST_FIRST),
                "previous": link(request.path, kept, page.previous, NEWEST_FIRST),
            }
        )

    @extend_schema(**describe_cookies.CREATE)
    @idempotent()
    def create(self, request: Request) -> Response:
        NoQuery.read(request)
        try:
            text, said = _read(request)
            jar = cookies.store(principal_of(request).user, text, said["name"].strip(), said["expires_at"])
        except netscape.NetscapeError as error:
            raise cookies.complaints(error) from None
        headers = {"Location": f"/api/v1/auth/cookies/{jar.pk}"}
        return Response(represent_cookies(jar, timezone.now()), status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(**describe_cookies.RETRIEVE)
    def retrieve(self, request: Request, cookie_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        return Response(represent_cookies(self.get_object(), timezone.now()))

    @extend_schema(**describe_cookies.DESTROY)
    def destroy(self, request: Request, cookie_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        CookieJar.objects.filter(pk=self.get_object().pk).remove()
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(**describe_cookies.TEST)
    def test(self, request: Request, cookie_id: uuid.UUID) -> Answer:
        NoQuery.read(request)
        jar = self.get_object()
        asked = CookiesTestRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        url: str = asked.validated_data["url"]
        user = principal_of(request).user
        probe = probing.ask(user, ProbeKind.MEDIA, url, cookies.usable(user, jar.pk), TEST_AGE)
        is_sent = jar.is_for(addresses.parse(url).host)
        return answer_of(request, probe, lambda found: Response(represent_test(jar, url, found, is_sent=is_sent)))


def _read(request: Request) -> tuple[str, dict[str, Any]]:
    """The text, and what is said of it. Raises ValidationError, Problem, NetscapeError."""
    data: Any = request.data
    is_form = isinstance(data, QueryDict)
    if is_form:
        data = _plain(data)
    if data.get("browser") is not None:
        raise refused("browser", "not_supported", HOW_TO_EXPORT)
    wanted = (CookiesFileSerializer if is_form else CookiesTextSerializer)(data=data)
    wanted.is_valid(raise_exception=True)
    said: dict[str, Any] = wanted.validated_data
    return netscape.decode(said.pop("file").read()) if is_form else said.pop("cookies"), said


def _plain(form: QueryDict) -> dict[str, Any]:
    """Raises Problem."""
    if any(len(values) > 1 for _, values in form.lists()):
        raise Problem(400, "validation_failed", "A field of the form comes twice.")
    values: dict[str, Any] = form.dict()
    return values
