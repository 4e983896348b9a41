"""What the guard itself says to a client. The engine tells from these why a download could not go out.

The reason phrase repeats the header, since of a refused CONNECT most clients show nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from downloads.engine.guard_bodies import MessageError
from downloads.engine.guard_dial import FailedError
from downloads.engine.guard_policy import DeniedError

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: HTTPStatus
    reason: str
    is_denial: bool = False

    def serialized(self, *, has_body: bool = True) -> bytes:
        verb, header = ("url_blocked", "Denied") if self.is_denial else ("egress_failed", "Failed")
        body = f"{verb} {self.reason}\n"
        lines = (
            f"HTTP/1.1 {self.status.value} {verb} {self.reason}",
            f"X-Egress-{header}: {self.reason}",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "Connection: close",
        )
        return ("\r\n".join(lines) + "\r\n\r\n" + (body if has_body else "")).encode("ascii")


BUSY = Answer(status=HTTPStatus.SERVICE_UNAVAILABLE, reason="busy")

_BAD_REQUESTS = {
    HTTPStatus.REQUEST_TIMEOUT: "slow_request",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "large_request",
}


def answer_to(error: DeniedError | FailedError | MessageError) -> Answer:
    if isinstance(error, DeniedError):
        return Answer(status=HTTPStatus.FORBIDDEN, reason=error.reason, is_denial=True)
    if isinstance(error, FailedError):
        return Answer(status=error.status, reason=error.reason)
    return Answer(status=error.status, reason=_BAD_REQUESTS.get(error.status, "bad_request"))
