"""What the headers say is what others verify: the package of the standard, and a few lines of anybody's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from webhooks import signing

pytestmark = pytest.mark.promise("S10")

BODY = '{"event":"download.completed","title":"Ein Lied für Mütter"}'.encode()


def signed(*secrets: str, at: float | None = None) -> dict[str, str]:
    return signing.headers_of("0199", int(at or time.time()), BODY, secrets)


def test_a_secret_is_long_and_never_the_same() -> None:
    secrets = {signing.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in secrets)


def test_the_package_of_the_standard_verifies_a_message() -> None:
    secret = signing.new_secret()
    assert Webhook(secret).verify(BODY, signed(secret))["event"] == "download.completed"


def test_the_package_refuses_another_body_another_secret_and_an_old_message() -> None:
    secret = signing.new_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", signed(secret))
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(BODY, signed(secret))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, signed(secret, at=time.time() - 3600))


def test_while_two_secrets_sign_either_verifies() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    headers = signed(new, old)
    assert Webhook(new).verify(BODY, headers)
    assert Webhook(old).verify(BODY, headers)


def test_the_plainer_header_is_the_hmac_of_the_body_by_the_secret_as_it_is_written() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    expected = [f"sha256={hmac.new(key.encode(), BODY, hashlib.sha256).hexdigest()}" for key in (new, old)]
    assert signed(new)["x-webhook-signature"] == expected[0]
    assert signed(new, old)["x-webhook-signature"].split(",") == expected
