"""Whether a webhook comes from the server: Standard Webhooks signatures, and how old they may be."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mediadl.errors import WebhookError
from mediadl.types import Download

TOLERANCE_SECONDS = 300
SECRET_PREFIX = "whsec_"  # noqa: S105 - it is how all of them begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`webhook_id` is the same at every delivery of the same event: keep it, and do nothing twice."""

    webhook_id: str
    event: str
    request_id: str | None
    data: Mapping[str, Any]
    raw: Mapping[str, Any]

    @property
    def download(self) -> Download:
        return Download.of(self.data)


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secrets: str | Iterable[str],
    *,
    tolerance: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> Event:
    """The event of a request. `body` as it came, byte for byte; several secrets while one is being changed.

    Raises WebhookError when the signature is not by any of the secrets, or was made more than `tolerance` seconds
    ago or ahead.
    """
    given = {name.lower(): value for name, value in headers.items()}
    webhook_id, timestamp, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (webhook_id and timestamp and signatures):
        raise WebhookError("The request has not all of the headers webhook-id, webhook-timestamp, webhook-signature.")
    _check_age(timestamp, tolerance, time.time() if now is None else now)
    payload = body.encode() if isinstance(body, str) else body
    message = f"{webhook_id}.{timestamp}.".encode() + payload
    listed = [secrets] if isinstance(secrets, str) else list(secrets)
    if not any([_is_signed(message, signatures, _key_of(secret)) for secret in listed]):  # noqa: C419 - equally long
        raise WebhookError("The signature is not by this secret.")
    return _read(webhook_id, payload)


def _check_age(timestamp: str, tolerance: float, now: float) -> None:
    if not timestamp.isascii() or not timestamp.isdigit():
        raise WebhookError("webhook-timestamp is not a number of seconds.")
    if abs(now - int(timestamp)) > tolerance:
        raise WebhookError("The request was signed too long ago, or a clock is wrong.")


def _key_of(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise WebhookError("The secret is not one that the server gives out.") from error


def _is_signed(message: bytes, signatures: str, key: bytes) -> bool:
    expected = base64.b64encode(hmac.digest(key, message, "sha256"))
    versions = (signature.partition(",") for signature in signatures.split())
    # All are compared, so that the time taken says nothing.
    return any([hmac.compare_digest(value.encode(), expected) for kind, _, value in versions if kind == "v1"])  # noqa: C419


def _read(webhook_id: str, payload: bytes) -> Event:
    try:
        body = json.loads(payload)
        return Event(
            webhook_id=webhook_id,
            event=str(body["event"]),
            request_id=body.get("request_id"),
            data=body.get("data") or {},
            raw=body,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WebhookError("The body is not that of an event.") from error
