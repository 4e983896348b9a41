"""Signing secrets at rest: encrypted with WEBHOOK_KEYS, since the sender needs them in the clear. A copy of the
database alone signs nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

from django.conf import settings

from downloads import vault

NO_KEY = "A webhook's secret was sealed with a key that is not among WEBHOOK_KEYS."


class SealedError(Exception):
    """None of WEBHOOK_KEYS opens it."""


def seal(secret: str) -> str:
    return vault.encrypt(secret, _keys())


def unseal(sealed: str) -> str:
    """Raises SealedError."""
    try:
        return vault.decrypt(sealed, _keys())
    except vault.UndecryptableError as error:
        raise SealedError(NO_KEY) from error


def reseal(sealed: str) -> str:
    """The same by the first of the keys. Raises SealedError."""
    try:
        return vault.rotate(sealed, _keys())
    except vault.UndecryptableError as error:
        raise SealedError(NO_KEY) from error


def _keys() -> Iterator[bytes]:
    """Any long text is a key: Fernet wants 32 bytes of it."""
    for key in settings.WEBHOOK_KEYS:
        yield base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())
