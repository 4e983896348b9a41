"""What is answered when a page cannot be: for people a page in our own look, below /api/ a problem document."""

from __future__ import annotations

import sys
from typing import Any

import structlog
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext, gettext_noop

from downloads.api.problem import Problem, plain_response, problem_of
from downloads.web.context import Product

RETRY_AFTER_SECONDS = 5
DATABASE_ERRORS = (OperationalError, InterfaceError)
API_PREFIX = "/api/"

TITLES = {
    400: gettext_noop("The request could not be read"),
    403: gettext_noop("This is not allowed"),
    404: gettext_noop("There is nothing here"),
    405: gettext_noop("There is nothing to see here"),
    410: gettext_noop("This link leads nowhere any more"),
    413: gettext_noop("That is too large"),
    429: gettext_noop("That was too often"),
    500: gettext_noop("Something failed on our side"),
    503: gettext_noop("One moment, please"),
}
WORDS = {
    400: gettext_noop("Something in it is not as it should be. Go back, load the page again and repeat what you did."),
    403: gettext_noop("Your account may not see or do this."),
    404: gettext_noop(
        "The address may be mistyped, or what it led to was deleted. What belongs to others is not shown either."
    ),
    405: gettext_noop(
        "Only forms lead to this address. Nothing was done: go to the page with the form, and send it again."
    ),
    413: gettext_noop("More was sent than a form here takes. Choose a smaller file, or send it in parts."),
    500: gettext_noop("It has been written to the log. Nothing you did is lost; try again in a moment."),
    503: gettext_noop("The database cannot be reached at the moment. Nothing was lost; try again in a moment."),
}
HOST_WORDS = gettext_noop(
    "This server does not go by the name in the address. Whoever runs it can set PUBLIC_BASE_URL, or add the name to "
    "ALLOWED_HOSTS."
)
# Where the same may go well a moment later.
PASSING = frozenset({429, 500, 503})
CSRF_WORDS = gettext_noop(
    "The form was too old, or cookies are blocked. Go back, load the page again and send it once more."
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_api(request):
        return plain_response(request, problem_of(exception))
    if isinstance(exception, RequestDataTooBig):
        return answer(request, Problem(413, "body_too_large", WORDS[413]))
    words = HOST_WORDS if isinstance(exception, DisallowedHost) else WORDS[400]
    return answer(request, Problem(400, "bad_request", words))


def permission_denied(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    return answer(request, Problem(403, "permission_denied", str(exception) or WORDS[403]))


def not_found(request: HttpRequest, exception: Http404) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return answer(request, Problem(404, "not_found", WORDS[404]))


def row_is_gone(request: HttpRequest) -> HttpResponse:
    """What somebody else deleted while it was looked at. In the log, since it might also be a mistake of ours."""
    structlog.get_logger(__name__).warning("row_gone", exc_info=True)
    return answer(request, Problem(404, "not_found", WORDS[404]))


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exc_info()[1], DATABASE_ERRORS):
        return service_unavailable(request)
    return answer(request, Problem(500, "internal_error", WORDS[500]))


def method_not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    """Whoever had to sign in again comes by a GET to where a form was sent."""
    return answer(request, Problem(405, "method_not_allowed", WORDS[405], headers={"Allow": allowed}))


def service_unavailable(request: HttpRequest) -> HttpResponse:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return answer(request, Problem(503, "database_unavailable", WORDS[503], headers=headers))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - nobody can use it
    return answer(request, Problem(403, "csrf_failed", CSRF_WORDS))


def answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    if is_api(request):
        return plain_response(request, problem)
    return problem_page(request, problem)


def problem_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    return HttpResponse(page_of(request, problem), status=problem.status, headers=problem.headers)


def page_of(request: HttpRequest, problem: Problem) -> str:
    """Without context processors: neither a session nor the database is needed to say that something failed."""
    context: dict[str, Any] = {
        "product": Product(request),
        "status": problem.status,
        "title": gettext(TITLES[problem.status]),
        "detail": gettext(problem.detail),
        "request_id": getattr(request, "request_id", ""),
        "again": request.get_full_path() if request.method == "GET" and problem.status in PASSING else "",
    }
    return render_to_string("errors/page.html", context)


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX)
