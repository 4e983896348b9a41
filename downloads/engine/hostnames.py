"""One normal form for the host of a URL, so that the host that is judged is the host that is connected. Pure.

IPv4 in any but its dotted decimal form is refused: resolvers read octal, hexadecimal, short and integer forms,
other programs read them differently, and no honest link carries one.
"""

from __future__ import annotations

import ipaddress
import re

MAX_NAME = 253

_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
# What inet_aton(3) and the WHATWG URL parser take for an address: the last label is a number.
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


class HostError(ValueError):
    """`reason` is machine-readable: bad_host, noncanonical_address or scoped_address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def normal_host(text: str) -> str:
    """An IP address without brackets, or a lower-case ASCII name. Raises HostError."""
    if text.startswith("["):
        return _ipv6(text)
    name = _ascii(text).lower()
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise HostError("bad_host")
    return _ipv4(name) if _ENDS_IN_NUMBER.fullmatch(name) else name


def is_address(host: str) -> bool:
    """Of a normal host: whether it is a literal address."""
    return ":" in host or _ENDS_IN_NUMBER.fullmatch(host) is not None


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    if len(text) > MAX_NAME:  # the codec's time grows with the square of the length
        raise HostError("bad_host")
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise HostError("bad_host") from error


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise HostError("noncanonical_address") from error


def _ipv6(text: str) -> str:
    if "%" in text:
        raise HostError("scoped_address")
    if not text.endswith("]"):
        raise HostError("bad_host")
    try:
        return str(ipaddress.IPv6Address(text[1:-1]))
    except ValueError as error:
        raise HostError("bad_host") from error
