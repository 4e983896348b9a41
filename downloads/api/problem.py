"""Errors as the API answers them: RFC 9457 problem documents, and the one place that turns exceptions into them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from psycopg.errors import ForeignKeyViolation
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from downloads.engine.errors import ERRORS
from downloads.engine.marking import gettext_noop
from downloads.models import TransitionError

CONTENT_TYPE = "application/problem+json"
UNKNOWN_FIELD = "unknown_field"
VALIDATION_FAILED = "validation_failed"
RETRY_AFTER_SECONDS = 5
MAX_ERRORS = 20
MAX_SHOWN = 200

# The stable codes of this API's answers, with their titles: those of jobs, and its own.
TITLES = {str(code): kind.title for code, kind in ERRORS.items()} | {
    "archive_changed": gettext_noop("A file of the archive has just gone"),
    "authentication_failed": gettext_noop("The request has no valid credentials"),
    "bad_request": gettext_noop("The request cannot be read"),
    "body_too_large": gettext_noop("The body is too large"),
    "cookies_gone": gettext_noop("The cookies are not there"),
    "csrf_failed": gettext_noop("The request may come from another site"),
    "database_unavailable": gettext_noop("The database cannot be reached"),
    "domain_not_allowed": gettext_noop("The operator does not allow this site"),
    "file_expired": gettext_noop("The file has been deleted"),
    "idempotency_conflict": gettext_noop("The Idempotency-Key was used for another request"),
    "idempotency_in_flight": gettext_noop("A request with this Idempotency-Key is being worked on"),
    "insufficient_scope": gettext_noop("The key may not do this"),
    "internal_error": gettext_noop("Something failed inside this service"),
    "invalid_api_key": gettext_noop("The API key is not valid"),
    "invalid_cursor": gettext_noop("The cursor is not one that this list has given out"),
    "invalid_idempotency_key": gettext_noop("The Idempotency-Key is not acceptable"),
    "link_expired": gettext_noop("The time of the link is over"),
    "link_revoked": gettext_noop("The link has been taken back"),
    "link_used_up": gettext_noop("The link has been used as often as it allows"),
    "malformed_body": gettext_noop("The body cannot be read"),
    "malformed_json": gettext_noop("The body is not acceptable JSON"),
    "method_not_allowed": gettext_noop("The method is not allowed here"),
    "not_acceptable": gettext_noop("No such representation is offered"),
    "not_authenticated": gettext_noop("The request has no credentials"),
    "not_found": gettext_noop("There is nothing here"),
    "not_supported": gettext_noop("This service cannot do that"),
    "permission_denied": gettext_noop("This is not allowed"),
    "precondition_failed": gettext_noop("The file is not the one that is asked for"),
    "quota_exceeded": gettext_noop("Your quota is used up"),
    "range_not_satisfiable": gettext_noop("The file ends before the range"),
    "rate_limit_exceeded": gettext_noop("Too many requests"),
    "request_timeout": gettext_noop("The body came too slowly"),
    "storage_full": gettext_noop("The server's disk is full"),
    "storage_unavailable": gettext_noop("The file cannot be read now"),
    "too_many_links": gettext_noop("The file has too many links"),
    "too_many_streams": gettext_noop("Too many open downloads and event streams"),
    "too_many_webhooks": gettext_noop("You have as many webhooks as you may"),
    "unknown_field": gettext_noop("The request has a field that does not exist"),
    "unsupported_media_type": gettext_noop("The body is of the wrong type"),
    "validation_failed": gettext_noop("The request is not valid"),
    "wrong_state": gettext_noop("The state of the job does not allow this"),
}
# DRF's own names where ours say more.
RENAMED = {"error": "internal_error", "parse_error": "malformed_body", "throttled": "rate_limit_exceeded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """`field` is a path such as `urls[3]`; None is the request as a whole."""

    field: str | None
    code: str
    message: str


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """Anything that is answered with an error."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)[:MAX_ERRORS]
        self.headers = dict(headers or {})

    def document(self, request_id: str) -> dict[str, Any]:
        return {
            "type": f"{settings.PUBLIC_BASE_URL}/docs/errors#{self.code}",
            "title": TITLES.get(self.code) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
            "errors": [asdict(error) for error in self.errors],
            "error": {"code": self.code, "message": self.detail, "request_id": request_id},
        }


def refused(field: str, code: str, message: str, *, status: int = 400) -> Problem:
    """What is wrong with one field and has a code of its own."""
    return Problem(status, code, message, errors=[FieldError(field=field, code=code, message=message)])


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER."""
    problem = problem_of(error)
    request: Request = context["request"]
    document = problem.document(_request_id(request))
    return Response(document, problem.status, headers=problem.headers, content_type=CONTENT_TYPE)


def plain_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The same for requests that DRF never sees: unknown addresses, and what Django itself refuses."""
    document = problem.document(_request_id(request))
    return JsonResponse(document, status=problem.status, headers=problem.headers, content_type=CONTENT_TYPE)


def problem_of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, exceptions.APIException):
        return _of_drf(error)
    if isinstance(error, TransitionError):
        return Problem(409, "wrong_state", str(error))
    if isinstance(error, OperationalError | InterfaceError):
        return _database_away()
    return _of_django(error) or _unexpected(error)


def _of_django(error: Exception) -> Problem | None:
    if isinstance(error, Http404):
        return not_found()
    if is_of_a_deleted_row(error):
        structlog.get_logger(__name__).warning("row_gone", exc_info=error)
        return not_found()
    if isinstance(error, PermissionDenied):
        return Problem(403, "permission_denied", "You are not allowed to do this.")
    if isinstance(error, RequestDataTooBig):
        return Problem(413, "body_too_large", "The request's body is too large.")
    if isinstance(error, SuspiciousOperation | BadRequest | MultiPartParserError | UnreadablePostError):
        return Problem(400, "malformed_body", "The request cannot be read.")
    return None


def is_of_a_deleted_row(error: Exception) -> bool:
    """Of one that somebody else deleted after it had been read: it is not found any more, or cannot be referred to."""
    if isinstance(error, IntegrityError):
        cause = error.__cause__
        on_sqlite = getattr(cause, "sqlite_errorname", "") == "SQLITE_CONSTRAINT_FOREIGNKEY"
        return on_sqlite or isinstance(cause, ForeignKeyViolation)
    return isinstance(error, ObjectDoesNotExist)


def not_found() -> Problem:
    return Problem(404, "not_found", "There is nothing here, or nothing that is yours.")


def _database_away() -> Problem:
    structlog.get_logger(__name__).warning("database_unavailable")
    detail = "The database cannot be reached at the moment. Nothing was lost; try again shortly."
    return Problem(503, "database_unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _unexpected(error: Exception) -> Problem:
    structlog.get_logger(__name__).error("unexpected_exception", exc_info=error)
    return Problem(500, "internal_error", "Something failed inside this service. Its log has the details.")


def _of_drf(error: exceptions.APIException) -> Problem:
    if isinstance(error, exceptions.ValidationError):
        return _of_validation(error)
    code = str(getattr(error.detail, "code", error.default_code))
    detail = str(error.detail)[:MAX_SHOWN] if isinstance(error.detail, str) else str(error.default_detail)
    if isinstance(error, exceptions.NotFound):
        return not_found()
    return Problem(error.status_code, RENAMED.get(code, code), detail, headers=_headers(error))


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return headers


def _of_validation(error: exceptions.ValidationError) -> Problem:
    errors = list(_flatten(error.detail))
    unknown = next((item for item in errors if item.code == UNKNOWN_FIELD), None)
    code = UNKNOWN_FIELD if unknown else VALIDATION_FAILED
    said = unknown or (errors[0] if errors else None)
    if said is None:
        return Problem(400, code, "The request is not valid.")
    detail = f"{said.field}: {said.message}" if said.field else said.message
    return Problem(400, code, detail, errors=errors)


def _flatten(detail: Any, path: str = "") -> Iterator[FieldError]:
    """From DRF's nested lists and dictionaries to one list with paths."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flatten(inner, _below(path, name))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flatten(inner, path)
    else:
        yield FieldError(field=path or None, code=getattr(detail, "code", "invalid"), message=str(detail)[:MAX_SHOWN])


def _below(path: str, name: str | int) -> str:
    if name == "non_field_errors":
        return path
    if isinstance(name, int):
        return f"{path}[{name}]"
    shown = name[:MAX_SHOWN]
    return f"{path}.{shown}" if path else shown


def _request_id(request: Request | HttpRequest) -> str:
    return str(getattr(request, "request_id", ""))
