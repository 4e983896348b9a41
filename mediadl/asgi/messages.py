"""What the layers say to each other: ASGI's types, the head of a response, and handing a response over."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from uuid_utils.compat import uuid7

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

PRIVATE_PREFIX = b"x-accel-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, message: Message) -> Head:
        headers = tuple((bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ()))
        return cls(status=message["status"], headers=headers)

    def get(self, name: bytes) -> str | None:
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)

    def without(self, *names: bytes) -> list[tuple[bytes, bytes]]:
        """What may leave the process: no private header, and none of `names`."""
        return [pair for pair in self.headers if pair[0] not in names and not pair[0].startswith(PRIVATE_PREFIX)]


async def hand_over(
    application: Application, scope: Scope, receive: Receive, send: Send, is_ours: Callable[[Head], bool]
) -> Head | None:
    """Run the application. A response that `is_ours` is swallowed and its head returned; any other is sent on."""
    head: Head | None = None

    async def intercept(message: Message) -> None:
        nonlocal head
        if message["type"] == "http.response.start":
            candidate = Head.of(message)
            head = candidate if is_ours(candidate) else None
        if head is None:
            await send(message)

    await application(scope, receive, intercept)
    return head


def request_headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


# Of an answer that Django has not seen; the rest get theirs from its middleware.
NAKED = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-xss-protection", b"0"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)

# Of the file that is not sent; the rest (security headers, X-Request-ID, cookies) describes the answer.
OF_THE_CONTENT = (
    b"content-type",
    b"content-length",
    b"content-disposition",
    b"content-encoding",
    b"content-language",
    b"content-security-policy",
    b"etag",
    b"last-modified",
    b"cache-control",
    b"accept-ranges",
)


async def send_problem(
    send: Send, *, status: int, code: str, title: str, detail: str, head: Head | None = None, headers: Headers = ()
) -> None:
    """An RFC 9457 document, of the API's shape, with what `head` says about the answer itself.

    Its `type` is relative, since no layer here knows the server's address.
    """
    kept = head.without(*OF_THE_CONTENT) if head else [*NAKED, (b"x-request-id", str(uuid7()).encode())]
    request_id = dict(kept).get(b"x-request-id", b"").decode()
    problem = {
        "type": f"/docs/errors#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        "errors": [],
        "error": {"code": code, "message": detail, "request_id": request_id},
    }
    body = json.dumps(problem).encode()
    about = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*kept, *about, *headers]})
    await send({"type": "http.response.body", "body": body})
