"""What an API key looks like: `mdl_` + 8 characters that may be shown + `_` + 43 secret ones (256 bits) + checksum.

The checksum lets a mistyped key be refused without a query, and scanners of leaked secrets be sure of a find.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX_LENGTH = 8
SECRET_LENGTH = 43  # 62 ** 43 is just over 2 ** 256
CHECKSUM_LENGTH = 6  # 62 ** 6 is over 2 ** 32
MIN_FOREIGN_LENGTH = 16
MAX_LENGTH = 256

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SHAPE = re.compile(rf"mdl_[0-9A-Za-z]{{{PREFIX_LENGTH}}}_[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}")
# What a header can carry as it is: visible ASCII.
FOREIGN = re.compile(rf"[!-~]{{{MIN_FOREIGN_LENGTH},{MAX_LENGTH}}}")


def generate() -> str:
    prefix = "".join(secrets.choice(ALPHABET) for _ in range(PREFIX_LENGTH))
    body = f"mdl_{prefix}_{base62(secrets.randbits(256), SECRET_LENGTH)}"
    return body + checksum(body)


def prefix_of(plain: str) -> str:
    """The part that may be shown; empty for a key that somebody else made up."""
    return plain[4 : 4 + PREFIX_LENGTH] if SHAPE.fullmatch(plain) else ""


def is_plausible(plain: str) -> bool:
    """False only for what cannot be a key: our shape with a wrong checksum, or no shape that a key may have."""
    if SHAPE.fullmatch(plain):
        return checksum(plain[:-CHECKSUM_LENGTH]) == plain[-CHECKSUM_LENGTH:]
    return FOREIGN.fullmatch(plain) is not None


def digest(plain: str) -> str:
    """SHA-256 and not a slow hash: the secret has 256 random bits, and each request pays for this."""
    return hashlib.sha256(plain.encode()).hexdigest()


def checksum(body: str) -> str:
    return base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, remainder = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[remainder])
    return "".join(reversed(digits))
