"""Request ids, security headers that Django has no setting for, and 503 while the database is away."""

from __future__ import annotations

import re
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from uuid_utils.compat import uuid7

GetResponse = Callable[[HttpRequest], HttpResponseBase]

SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
RETRY_AFTER_SECONDS = 5


class RequestIdMiddleware:
    """Gives each request an id (the client's own when it is harmless), for the log and for X-Request-ID."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if SAFE_REQUEST_ID.fullmatch(given) else str(uuid7())
        request.request_id = request_id  # type: ignore[attr-defined]  # Django's way to add to a request
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class SecurityHeadersMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.setdefault("X-XSS-Protection", "0")
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
        response.setdefault("Cache-Control", "no-store")
        return response


class DatabaseAwayMiddleware:
    """Answers 503 with Retry-After when the database cannot be reached, and leaves every other error alone."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        except (OperationalError, InterfaceError):
            return database_away(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, OperationalError | InterfaceError):
            return database_away(request)
        return None


def database_away(request: HttpRequest) -> HttpResponse:
    structlog.get_logger("mediadl").warning("database_unavailable")
    detail = "The database cannot be reached at the moment. Nothing was lost; try again shortly."
    request_id = getattr(request, "request_id", "")
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": "Service unavailable",
        "status": 503,
        "detail": detail,
        "code": "database_unavailable",
        "request_id": request_id,
        "errors": [],
        "error": {"code": "database_unavailable", "message": detail, "request_id": request_id},
    }
    response = JsonResponse(problem, status=503, content_type="application/problem+json")
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
