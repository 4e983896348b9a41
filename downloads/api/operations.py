"""What operators and their machines ask: is it well, is it ready, how much does it do."""

# ruff: noqa: ARG002 - DRF's signatures
from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.crypto import constant_time_compare
from drf_spectacular.utils import extend_schema
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import authentication
from accounts.models import User
from accounts.principal import principal_of
from downloads import diagnosis
from downloads.api import describe, schema  # noqa: F401 - drf-spectacular learns of our authentication by the import
from downloads.api.negotiation import AnyFormat
from downloads.api.representation import written
from downloads.health import HEALTH, READINESS, Check, Report, uptime_seconds
from downloads.metrics import exposition


class OpenView(APIView):
    """For everybody, without a look at the database for who it is."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    content_negotiation_class = AnyFormat


class HealthView(OpenView):
    @extend_schema(**describe.HEALTH)
    def get(self, request: Request) -> Response:
        report = HEALTH.report()
        return Response(_written(report), status=503 if report.verdict == "unhealthy" else 200)


class LiveView(OpenView):
    @extend_schema(**describe.LIVE)
    def get(self, request: Request) -> Response:
        return Response({"status": "ok", "message": "The process answers."})


class ReadyView(OpenView):
    @extend_schema(**describe.READY)
    def get(self, request: Request) -> Response:
        if reason := READINESS.reason():
            return Response({"status": "error", "message": reason}, status=503, headers={"Retry-After": "5"})
        return Response({"status": "ok", "message": "The database answers and is up to date."})


def _written(report: Report) -> dict[str, Any]:
    return {
        "status": report.verdict,
        "timestamp": written(report.taken_at),
        "version": diagnosis.version(),
        "uptime_seconds": uptime_seconds(),
        "checks": [_shown(check) for check in report.checks],
    }


def _shown(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "status": check.status,
        "message": check.message,
        "latency_ms": check.latency_ms,
    }


class MetricsTokenAuthentication(BaseAuthentication):
    """METRICS_TOKEN is nobody's key and opens nothing else, so that it may lie in a scraper's configuration."""

    def authenticate(self, request: Request) -> tuple[None, type[MetricsTokenAuthentication]] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not settings.METRICS_TOKEN or scheme.lower() != "bearer":
            return None
        is_right = constant_time_compare(token.strip().encode(), settings.METRICS_TOKEN.encode())
        return (None, MetricsTokenAuthentication) if is_right else None

    def authenticate_header(self, request: Request) -> str:
        return authentication.CHALLENGE


class MayReadMetrics(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.auth is MetricsTokenAuthentication:
            return True
        if not isinstance(request.user, User):
            return False
        if not principal_of(request).is_operator:
            raise PermissionDenied("This needs METRICS_TOKEN or the scope admin.", code="insufficient_scope")
        return True


class MetricsView(APIView):
    authentication_classes = (
        MetricsTokenAuthentication,
        authentication.ApiKeyAuthentication,
        authentication.SessionAuthentication,
    )
    permission_classes = (MayReadMetrics,)
    content_negotiation_class = AnyFormat

    @extend_schema(**describe.METRICS)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
