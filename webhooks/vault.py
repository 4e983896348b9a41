"""Signing secrets at rest: encrypted with WEBHOOK_KEYS, since the sender needs them in the clear. A copy of the
database alone signs nothing.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class SealedError(Exception):
    """None of WEBHOOK_KEYS opens it."""


def seal(secret: str) -> str:
    return _keyring().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises SealedError."""
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - megabytes that only those with webhooks need

    try:
        return _keyring().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealedError("A webhook's secret was sealed with a key that is not among WEBHOOK_KEYS.") from error


def _keyring() -> MultiFernet:
    """The first key seals, all of them open. Any long text is a key: Fernet wants 32 bytes of it."""
    from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - as above

    digests = (hashlib.sha256(key.encode()).digest() for key in settings.WEBHOOK_KEYS)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
