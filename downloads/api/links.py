"""Links to files: make, list, show and take back. Who follows one comes to downloads.web.shared."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principal import principal_of
from downloads.api import describe_links as describe
from downloads.api.idempotency import idempotent
from downloads.api.link_shapes import LinkListQuery, LinkRequestSerializer
from downloads.api.pagination import link as page_link
from downloads.api.pagination import page_of, position_of
from downloads.api.problem import FieldError, Problem
from downloads.api.query import NoQuery
from downloads.api.representation import written
from downloads.library import Ordering
from downloads.links import address_of
from downloads.models import Link, MediaFile, TooManyLinksError
from downloads.models.link import is_shareable, latest_end

NEWEST_FIRST = Ordering(name="-link", field="pk")


class FileLinksView(APIView):
    @extend_schema(**describe.LIST)
    def get(self, request: Request, file_id: uuid.UUID) -> Response:
        query = LinkListQuery.read(request)
        links = Link.objects.filter(file=own_file(request, file_id)).select_related("file")
        position = position_of(query["cursor"], NEWEST_FIRST) if query["cursor"] else None
        page = page_of(links, NEWEST_FIRST, query["limit"], position)
        kept, now = {"limit": query["limit"]}, timezone.now()
        return Response(
            {
                "results": [represent_link(link, now) for link in page.rows],
                "next": page_link(request.path, kept, page.next, NEWEST_FIRST),
                "previous": page_link(request.path, kept, page.previous, NEWEST_FIRST),
            }
        )

    @extend_schema(**describe.CREATE)
    @idempotent()
    def post(self, request: Request, file_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        wanted = LinkRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        file, now = own_file(request, file_id), timezone.now()
        link = issue(file, request, now, **wanted.validated_data)
        location = {"Location": f"/api/v1/links/{link.pk}"}
        return Response(represent_link(link, now), status=status.HTTP_201_CREATED, headers=location)


class LinkView(APIView):
    @extend_schema(**describe.RETRIEVE)
    def get(self, request: Request, link_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        return Response(represent_link(own_link(request, link_id), timezone.now()))

    @extend_schema(**describe.REVOKE)
    def delete(self, request: Request, link_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        own_link(request, link_id).revoke(timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


def own_file(request: Request, file_id: uuid.UUID) -> MediaFile:
    owned = MediaFile.objects.owned_by(principal_of(request).user)
    return get_object_or_404(owned.select_related("job"), pk=file_id)


def own_link(request: Request, link_id: uuid.UUID) -> Link:
    owned = Link.objects.owned_by(principal_of(request).user).select_related("file")
    link = owned.filter(pk=link_id).first()
    if link is None:
        raise Http404
    return link


def issue(
    file: MediaFile,
    request: Request,
    now: datetime,
    *,
    expires_at: datetime | None,
    expires_in_sec: int | None,
    **chosen: Any,
) -> Link:
    if not is_shareable(file, now):
        raise Problem(410, "file_expired", "The file has been deleted. Submit its URL to have it once more.")
    latest = latest_end(file, now)
    if expires_in_sec is not None:
        expires_at = min(now + timedelta(seconds=expires_in_sec), latest)
    elif expires_at is not None and not now < expires_at <= latest:
        raise _out_of_range(latest)
    try:
        return Link.objects.issue(file, principal_of(request).user, now, expires_at=expires_at, **chosen)
    except TooManyLinksError as error:
        raise Problem(409, "too_many_links", "Revoke some of this file's links first.") from error


def _out_of_range(latest: datetime) -> Problem:
    message = f"This is not between now and {written(latest.replace(microsecond=0))}, when the file is deleted."
    error = FieldError(field="expires_at", code="out_of_range", message=message)
    return Problem(400, "validation_failed", f"expires_at: {message}", errors=[error])


def represent_link(link: Link, at: datetime) -> dict[str, Any]:
    return {
        "link_id": str(link.pk),
        "file_id": str(link.file_id),
        "url": address_of(link),
        "label": link.label,
        "state": str(link.state(at)),
        "max_downloads": link.max_downloads,
        "download_count": link.download_count,
        "created_at": written(link.created_at),
        "expires_at": written(link.expires_at),
        "revoked_at": written(link.revoked_at),
        "last_used_at": written(link.last_used_at),
    }
