"""Request ids, security headers that Django has no setting for, languages, and 503 while the database is away."""

from __future__ import annotations

import re
from collections.abc import Callable

import structlog
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import cached_property
from uuid_utils.compat import uuid7

from downloads.api.problem import is_of_a_deleted_row
from downloads.web.errors import DATABASE_ERRORS, is_api, method_not_allowed, row_is_gone, service_unavailable

GetResponse = Callable[[HttpRequest], HttpResponseBase]

SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


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


class ContentPolicyMiddleware(CSPMiddleware):
    """django-csp, which writes a policy anew for every answer; most answers have the same."""

    # What its decorators and nonces leave behind.
    CHANGES = frozenset({"_csp_exempt", "_csp_config", "_csp_update", "_csp_replace"})

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_plain = not (settings.DEBUG or hasattr(request, "_csp_nonce") or vars(response).keys() & self.CHANGES)
        if not is_plain:
            return super().process_response(request, response)
        response.setdefault(HEADER, self._policy)
        return response

    @cached_property
    def _policy(self) -> str:
        return build_policy()


class SecurityHeadersMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.setdefault("X-XSS-Protection", "0")
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
        response.setdefault("Cache-Control", "no-store")
        return response


class LanguageMiddleware:
    """Pages in the language that was chosen, or that the browser asks for. What programs are told stays English."""

    OF_PROGRAMS = ("/api/", "/metrics")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(self.OF_PROGRAMS):
            return self.get_response(request)
        language = translation.get_language_from_request(request)
        with translation.override(language):
            response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            response.setdefault("Content-Language", language)
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


class DatabaseAwayMiddleware:
    """Answers 503 with Retry-After when a view could not reach the database, and 404 when a row that it had read was
    deleted before it was done; other errors are left alone.

    What a middleware could not do for the same reason comes to `handler500`, which knows it too.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if is_of_a_deleted_row(exception):
            return row_is_gone(request)
        return service_unavailable(request) if isinstance(exception, DATABASE_ERRORS) else None


class MethodRefusedMiddleware:
    """A page for people where Django would answer 405 with nothing."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not is_api(request):
            return method_not_allowed(request, response["Allow"])
        return response


class NulRefusedMiddleware:
    """400 where an address asks the admin for a NUL, which PostgreSQL refuses to compare with. The other pages and
    the API read what they are asked for themselves.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "%00" in request.META.get("QUERY_STRING", "") and request.path_info.startswith("/admin/"):
            raise SuspiciousOperation("a NUL in the query")
        return self.get_response(request)
