"""Which URLs may be submitted: what a URL must look like, and the operator's lists of sites. Pure.

Where a URL leads is not judged here: names are resolved by the egress guard, which judges every address.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from downloads.engine.hostnames import HostError, normal_host
from downloads.engine.marking import gettext_noop

MAX_URL_LENGTH = 2048
MAX_PORT = 65_535
TOO_LONG = gettext_noop("A URL has at most 2048 characters.")
# What the API's description can say of it in one expression; `parse` says the rest.
PATTERN = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@\s\\\x00-\x20\x7f-\xa0]+([/?#][^\s\\\x00-\x20\x7f-\xa0]*)?$"

_SHAPE = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})

_REASONS = {
    "noncanonical_address": gettext_noop("Write an IPv4 address as four decimal numbers."),
    "scoped_address": gettext_noop("An IPv6 address must not name a zone."),
}


class AddressError(ValueError):
    """`code` is machine-readable; the text is for the requester and echoes nothing of the URL."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`url` has its scheme and host in normal form: lower case, and an international name as ASCII."""

    url: str
    host: str


def parse(text: str) -> Address:
    """Raises AddressError."""
    if len(text) > MAX_URL_LENGTH:
        raise AddressError("max_length", TOO_LONG)
    if any(character == "\\" or unicodedata.category(character) in _INVISIBLE for character in text):
        raise AddressError(
            "invalid_url", gettext_noop("A URL has no spaces, backslashes, control or invisible characters.")
        )
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise AddressError("invalid_scheme", gettext_noop("A URL begins with http:// or https://."))
    scheme, authority, rest = shape.groups()
    host, port = _authority(authority)
    shown = f"[{host}]" if ":" in host else host
    return Address(url=f"{scheme.lower()}://{shown}{port}{rest}", host=host)


def _authority(text: str) -> tuple[str, str]:
    """The host in normal form, and the port with its colon, or nothing."""
    if "@" in text:
        raise AddressError("userinfo", gettext_noop("A URL must not contain a user name or password."))
    match = _AUTHORITY.fullmatch(text)
    if match is None or not match[1]:
        raise AddressError("invalid_host", gettext_noop("The URL has no valid host."))
    if match[2] is not None and not 0 < int(match[2]) <= MAX_PORT:
        raise AddressError("invalid_port", gettext_noop("The URL has no valid port."))
    return _host(match[1].removesuffix(".")), f":{int(match[2])}" if match[2] else ""


def _host(text: str) -> str:
    try:
        return normal_host(text)
    except HostError as error:
        raise AddressError(
            "invalid_host", _REASONS.get(error.reason, gettext_noop("The URL has no valid host."))
        ) from error


def is_allowed(host: str, allowed: Iterable[str], blocked: Iterable[str]) -> bool:
    """A listed domain stands for its subdomains, too. An empty `allowed` allows all."""
    allowed = list(allowed)
    return not _is_below(host, blocked) and (not allowed or _is_below(host, allowed))


def _is_below(host: str, domains: Iterable[str]) -> bool:
    names = (domain.strip().lower().removeprefix("*").strip(".") for domain in domains)
    return any(host == name or host.endswith(f".{name}") for name in names if name)
