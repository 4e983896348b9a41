"""What can go wrong, as types. An answer of the server is an ApiError, whose `code` is stable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class MediadlError(Exception):
    """The base of all."""


class ConnectionFailedError(MediadlError):
    """The server could not be reached, or the connection was lost more often than is tried."""


class WaitTimeoutError(MediadlError):
    """What was waited for did not end in the time given. It goes on without you."""


class ChecksumError(MediadlError):
    """The bytes that arrived are not those that the server has."""


class WebhookError(MediadlError):
    """The request does not come from the server, or is too old."""


class DownloadFailedError(MediadlError):
    """A download ended otherwise than completed."""

    def __init__(self, request_id: str, status: str, code: str | None, message: str | None, remedy: str | None) -> None:
        said = message or code or status
        super().__init__(f"{said.rstrip('.')}. {remedy}" if remedy else said)
        self.request_id = request_id
        self.status = status
        self.code = code
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """What is wrong with one field; None is the request as a whole."""

    field: str | None
    code: str
    message: str


class ApiError(MediadlError):
    """The server refused the request, with a problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code") or "unknown")
        self.detail = str(problem.get("detail") or problem.get("title") or f"The server answered {status}.")
        self.request_id = str(problem.get("request_id") or "")
        self.retry_after = retry_after
        self.errors = tuple(
            FieldError(field=error.get("field"), code=str(error.get("code")), message=str(error.get("message")))
            for error in problem.get("errors") or ()
        )
        super().__init__(f"{self.detail} ({self.status} {self.code})")


class InvalidRequestError(ApiError):
    """400: a field is wrong, or there is no such field."""


class UnauthorizedError(ApiError):
    """401: no key, or one that is not valid."""


class ForbiddenError(ApiError):
    """403: the key's scopes do not allow it."""


class NotFoundError(ApiError):
    """404: nothing here, or nothing that is yours."""


class WrongStateError(ApiError):
    """409: the state of the job does not allow it."""


class GoneError(ApiError):
    """410: it was here, and is deleted, expired or revoked."""


class IdempotencyError(ApiError):
    """422: the same Idempotency-Key with another request."""


class RateLimitedError(ApiError):
    """429: too often; `retry_after` says how long to wait."""


class UnavailableError(ApiError):
    """503: not now; `retry_after` says how long to wait."""


class StorageFullError(ApiError):
    """507: the server's disk is full."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: WrongStateError,
    410: GoneError,
    422: IdempotencyError,
    429: RateLimitedError,
    503: UnavailableError,
    507: StorageFullError,
}


def error_of(status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> ApiError:
    return BY_STATUS.get(status, ApiError)(status, problem, retry_after)
