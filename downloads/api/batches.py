"""Batches: submit links, playlists and channels; list, follow, cancel and retry them. What is done is in batches.py."""

from __future__ import annotations

import uuid

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.limits import RateScope
from accounts.principal import principal_of
from downloads import archives, batches
from downloads.api import describe_batches as describe
from downloads.api.batch_representation import etag_of, represent, represent_all
from downloads.api.batch_requests import (
    BatchListQuery,
    BatchRequestSerializer,
    ChannelRequestSerializer,
    ListSerializer,
    PlaylistRequestSerializer,
)
from downloads.api.idempotency import idempotent
from downloads.api.negotiation import AnyFormat
from downloads.api.pagination import link, page_of, position_of
from downloads.api.problem import Problem
from downloads.api.query import NoQuery
from downloads.api.requests import NothingSerializer
from downloads.library import Ordering
from downloads.models import Batch, Status, Tally
from downloads.models.batch import BatchQuerySet

# A name of its own, so that no other list's cursor is taken for one of this.
NEWEST_FIRST = Ordering(name="-batches", field="pk")


class BatchViewSet(GenericViewSet[Batch]):
    lookup_url_kwarg = "batch_id"
    lookup_value_converter = "uuid"
    serializer_class = BatchRequestSerializer
    rate_scope: RateScope | None = None

    def get_queryset(self) -> BatchQuerySet:
        return Batch.objects.owned_by(principal_of(self.request).user)

    def batch(self, batch_id: uuid.UUID) -> Batch:
        found: Batch = get_object_or_404(self.get_queryset(), pk=batch_id)
        return found

    @extend_schema(**describe.CREATE)
    @idempotent()
    def create(self, request: Request) -> Response:
        NoQuery.read(request)
        wanted = BatchRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        return _created(batches.submit(principal_of(request), wanted.wish(), wanted.options()))

    @extend_schema(**describe.LIST)
    def list(self, request: Request) -> Response:
        query = BatchListQuery.read(request)
        position = position_of(query["cursor"], NEWEST_FIRST) if query["cursor"] is not None else None
        page = page_of(self.get_queryset(), NEWEST_FIRST, query["limit"], position)
        given = request.query_params.dict()
        return Response(
            {
                "results": represent_all(page.rows),
                "next": link(request.path, given, page.next, NEWEST_FIRST),
                "previous": link(request.path, given, page.previous, NEWEST_FIRST),
            }
        )

    @extend_schema(**describe.RETRIEVE)
    def retrieve(self, request: Request, batch_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        batch = self.batch(batch_id)
        tally = Tally.of([batch])[batch.pk]
        etag = etag_of(batch, tally)
        if etag in _given_etags(request):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
        return Response(represent(batch, tally), headers={"ETag": etag})

    @extend_schema(**describe.DESTROY)
    def destroy(self, request: Request, batch_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        batch = self.batch(batch_id)
        count = batches.cancel(batch)
        tally = Tally.of([batch])[batch.pk]
        said = "Nothing was left to cancel." if not count else f"Cancelled downloads: {count}."
        return Response(
            {"batch_id": str(batch.pk), "status": tally.status_of(batch), "cancelled": count, "message": said}
        )

    @extend_schema(**describe.ARCHIVE)
    @action(detail=True, methods=["get"], content_negotiation_class=AnyFormat)
    def archive(self, request: Request, batch_id: uuid.UUID) -> HttpResponse:
        NoQuery.read(request)
        batch = self.batch(batch_id)
        archive = archives.of(batch)
        if archive is None:
            raise _nothing_to_archive(batch)
        plan = archive.plan()
        return HttpResponse(plan, headers=archive.headers(batch.owner_id, plan))

    @extend_schema(**describe.RETRY)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, batch_id: uuid.UUID) -> Response:
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        batch = self.batch(batch_id)
        batches.retry(batch, principal_of(request))
        return Response(represent(batch, Tally.of([batch])[batch.pk]))


class ListDownloadView(APIView):
    """A playlist or a channel. Answers before the list has been read."""

    wanted: type[ListSerializer]

    def submit(self, request: Request) -> Response:
        NoQuery.read(request)
        wanted = self.wanted(data=request.data)
        wanted.is_valid(raise_exception=True)
        return _created(batches.submit(principal_of(request), wanted.wish(), wanted.options()))


class PlaylistDownloadView(ListDownloadView):
    wanted = PlaylistRequestSerializer

    @extend_schema(**describe.PLAYLIST)
    @idempotent()
    def post(self, request: Request) -> Response:
        return self.submit(request)


class ChannelDownloadView(ListDownloadView):
    wanted = ChannelRequestSerializer

    @extend_schema(**describe.CHANNEL)
    @idempotent()
    def post(self, request: Request) -> Response:
        return self.submit(request)


def _nothing_to_archive(batch: Batch) -> Problem:
    if batch.jobs.present().filter(status=Status.COMPLETED).exists():
        return Problem(410, "file_expired", "The files of this batch have been deleted. Submit it again to have them.")
    return Problem(409, "wrong_state", "This batch has no files yet.")


def _created(batch: Batch) -> Response:
    answer = represent(batch, Tally.of([batch])[batch.pk])
    return Response(answer, status=status.HTTP_201_CREATED, headers={"Location": f"/api/v1/batch/{batch.pk}"})


def _given_etags(request: Request) -> list[str]:
    return [f"W/{etag.removeprefix('W/')}" for etag in parse_etags(request.headers.get("If-None-Match", ""))]
