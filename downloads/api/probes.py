"""Formats, metadata and lists without a download. A worker of the probe lane looks; who asks waits for it a while."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principal import principal_of
from downloads import cookies, events, probing
from downloads.api import describe_estimates, describe_probes, estimates, findings
from downloads.api.jobs import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, WAITED
from downloads.api.negotiation import AnyFormat
from downloads.api.probe_queries import ChannelQuery, MetadataQuery, PlaylistQuery, ProbeQuery
from downloads.api.problem import Problem, not_found
from downloads.api.query import NoQuery, WaitQuery
from downloads.api.requests import DownloadRequestSerializer
from downloads.engine.errors import ERRORS, ErrorCode, known
from downloads.models import Probe, ProbeKind, ProbeStatus
from downloads.selection import BOUNDS

Answer = Response | HttpResponse
Show = Callable[[dict[str, Any]], Answer]

RETRY_AFTER_SECONDS = 2
CSV_HEADERS = {"Content-Disposition": 'attachment; filename="metadata.csv"'}
# How the failure of a look is answered; every other code is the site's: 502.
STATUSES = {
    ErrorCode.UNSUPPORTED_URL: 400,
    ErrorCode.URL_BLOCKED: 400,
    ErrorCode.DOMAIN_NOT_ALLOWED: 400,
    ErrorCode.COOKIES_INVALID: 400,
    ErrorCode.COOKIES_GONE: 400,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.REMOVED: 404,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL_ERROR: 500,
    ErrorCode.MISSING_DEPENDENCY: 503,
    ErrorCode.STORAGE_FULL: 507,
    ErrorCode.WORKER_LOST: 503,
    ErrorCode.TIMEOUT: 504,
}


class FormatsView(APIView):
    @extend_schema(**describe_probes.FORMATS)
    def get(self, request: Request) -> Answer:
        query = ProbeQuery.read(request)
        url = query["url"]
        return _answer(request, ProbeKind.MEDIA, query, lambda found: Response(findings.formats(url, found)))


class MetadataView(APIView):
    content_negotiation_class = AnyFormat

    @extend_schema(**describe_probes.METADATA)
    def get(self, request: Request) -> Answer:
        query = MetadataQuery.read(request)
        url = query["url"]

        def show(found: dict[str, Any]) -> Answer:
            if query["format"] == "json":
                return Response(findings.metadata(url, found))
            text = findings.metadata_csv(url, found)
            return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=CSV_HEADERS)

        return _answer(request, ProbeKind.MEDIA, query, show)


class PlaylistPreviewView(APIView):
    @extend_schema(**describe_probes.PLAYLIST)
    def get(self, request: Request) -> Answer:
        query = PlaylistQuery.read(request)
        url, page = query["url"], findings.Page(number=query["page"], size=query["page_size"])
        return _answer(request, ProbeKind.LIST, query, lambda found: Response(findings.playlist(url, found, page)))


class ChannelInfoView(APIView):
    @extend_schema(**describe_probes.CHANNEL)
    def get(self, request: Request) -> Answer:
        query = ChannelQuery.read(request)
        url, page = query["url"], findings.Page(number=query["page"], size=query["page_size"])
        filters = {name: query[name] for name in BOUNDS}

        def show(found: dict[str, Any]) -> Answer:
            return Response(findings.channel(url, found, filters, query["sort_by"], page))

        return _answer(request, ProbeKind.LIST, query, show)


class EstimateView(APIView):
    """A dry run of a submission: it reads a page, and changes nothing."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "read"}
    rate_scope = "reads"

    @extend_schema(**describe_estimates.ESTIMATE)
    def post(self, request: Request) -> Answer:
        NoQuery.read(request)
        serializer = DownloadRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        wanted, principal = serializer.validated_data, principal_of(request)
        if reasons := estimates.refused_by_policy(wanted):
            return Response(estimates.refusal(wanted, reasons))

        def show(found: dict[str, Any]) -> Answer:
            return Response(estimates.estimate(principal, wanted, found))

        return _answer(request, ProbeKind.MEDIA, wanted, show)


class ProbeView(APIView):
    @extend_schema(**describe_probes.PROBE)
    def get(self, request: Request, probe_id: uuid.UUID) -> Answer:
        seconds = WaitQuery.read(request)["wait"]
        probe = get_object_or_404(Probe.objects.owned_by(principal_of(request).user), pk=probe_id)
        if waiting := _wait(request, probe, seconds):
            return waiting
        _refresh(probe)
        headers = {} if probe.has_ended else {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return Response(findings.represent(probe), headers=headers)


def _answer(request: Request, kind: ProbeKind, query: dict[str, Any], show: Show) -> Answer:
    user = principal_of(request).user
    probe = probing.ask(user, kind, query["url"], cookies.usable(user, query["cookies_id"]))
    return answer_of(request, probe, show)


def answer_of(request: Request, probe: Probe, show: Show) -> Answer:
    """Waits for it, and answers with 202 what takes longer than that. Raises Problem when it has failed."""
    if waiting := _wait(request, probe, settings.PROBE_WAIT_SECONDS):
        return waiting
    _refresh(probe)
    if not probe.has_ended:
        headers = {"Location": f"/api/v1/probe/{probe.pk}", "Retry-After": str(RETRY_AFTER_SECONDS)}
        return Response(findings.represent(probe), status=status.HTTP_202_ACCEPTED, headers=headers)
    if probe.status == ProbeStatus.FAILED:
        raise problem_of(probe)
    return show(probe.result or {})


def _wait(request: Request, probe: Probe, seconds: int) -> HttpResponse | None:
    """None when there is nothing to wait for, or no time left. The layer over us waits without a thread."""
    if probe.has_ended or not seconds or request.META.get(WAITED):
        return None
    if WAITED in request.META:
        return HttpResponse(headers={"X-Accel-Events": events.probe_channel(probe.pk), "X-Accel-Wait": str(seconds)})
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE_SECONDS
    while (left := deadline - time.monotonic()) > 0 and not Probe.objects.ended().filter(pk=probe.pk).exists():
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
    return None


def _refresh(probe: Probe) -> None:
    """A result may be large, and does not change."""
    if not probe.has_ended:
        try:
            probe.refresh_from_db()
        except Probe.DoesNotExist:  # it goes with its cookies
            raise not_found() from None


def problem_of(probe: Probe) -> Problem:
    code = known(probe.error_code)
    wait = probe.retry_after or (RETRY_AFTER_SECONDS if ERRORS[code].is_retryable else 0)
    headers = {"Retry-After": str(math.ceil(wait))} if wait else {}
    remedy = ERRORS[code].remedy
    status = STATUSES.get(code, 502) if probe.error_code in ERRORS else 502
    return Problem(status, str(code), f"{probe.error_message.rstrip('.')}. {remedy}", headers=headers)
