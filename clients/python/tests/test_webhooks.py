from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from mediadl import WebhookError, verify

SECRET = "whsec_" + base64.b64encode(b"a secret of 32 bytes for tests..").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret of thirty-two byt").decode()
BODY = json.dumps({"event": "download.completed", "timestamp": "2026-11-24T12:00:00Z", "request_id": "1", "data": {}})


def signed(body: str = BODY, *, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    signature = Webhook(secret).sign("msg_1", moment, body)
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(moment.timestamp())),
        "Webhook-Signature": f"v1a,nonsense {signature}",
    }


@pytest.mark.parametrize("body", [BODY, BODY.encode()])
def test_believes_what_the_standard_library_of_webhooks_signs(body: str | bytes) -> None:
    event = verify(body, signed(), SECRET)
    assert (event.webhook_id, event.event, event.request_id) == ("msg_1", "download.completed", "1")


def test_believes_any_of_several_secrets() -> None:
    assert verify(BODY, signed(secret=OTHER), [SECRET, OTHER]).event == "download.completed"


def test_refuses_another_body_secret_id_or_time() -> None:
    headers = signed()
    for body, changed, secret in (
        (BODY + " ", headers, SECRET),
        (BODY, headers, OTHER),
        (BODY, headers | {"Webhook-Id": "msg_2"}, SECRET),
        (BODY, headers | {"Webhook-Timestamp": str(int(headers["Webhook-Timestamp"]) + 1)}, SECRET),
        (BODY, headers | {"Webhook-Signature": "v1,"}, SECRET),
        (BODY, headers | {"Webhook-Signature": "v1,ü"}, SECRET),
    ):
        with pytest.raises(WebhookError):
            verify(body, changed, secret)


@pytest.mark.parametrize("age", [-301, 301])
def test_refuses_what_was_signed_too_long_ago_or_ahead(age: int) -> None:
    now = time.time()
    with pytest.raises(WebhookError, match="too long ago"):
        verify(BODY, signed(at=now - age), SECRET, now=now)
    assert verify(BODY, signed(at=now - age), SECRET, tolerance=302, now=now)


@pytest.mark.parametrize("missing", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_refuses_a_request_without_all_of_the_headers(missing: str) -> None:
    headers = {name: value for name, value in signed().items() if name != missing}
    with pytest.raises(WebhookError):
        verify(BODY, headers, SECRET)


@pytest.mark.parametrize("body", ["[]", "{}", "nonsense", "null"])
def test_refuses_a_body_that_is_no_event(body: str) -> None:
    with pytest.raises(WebhookError, match="event"):
        verify(body, signed(body), SECRET)


def test_refuses_a_timestamp_that_is_none() -> None:
    with pytest.raises(WebhookError, match="seconds"):
        verify(BODY, signed() | {"Webhook-Timestamp": "²"}, SECRET)


def test_says_that_a_secret_is_none() -> None:
    with pytest.raises(WebhookError, match="secret"):
        verify(BODY, signed(), "whsec_???")
