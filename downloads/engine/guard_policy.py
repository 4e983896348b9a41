"""What the guard lets through: ports, domains, and the judgement of a target before and after its name is resolved.

Pure: it resolves nothing and connects nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from downloads.engine.addresses import MAX_PORT, AllowList, verdict
from downloads.engine.hostnames import HostError, is_address, normal_host

DEFAULT_PORTS = "80,443,8080,8443"
HTTP_PORT = 80

T = TypeVar("T")

_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?")


class DeniedError(Exception):
    """Policy says no. `reason` is machine-readable."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes. `path` is what the origin is asked for, empty for CONNECT."""

    host: str
    port: int
    path: bytes = b""

    @property
    def is_literal(self) -> bool:
        return is_address(self.host)

    @property
    def authority(self) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == HTTP_PORT else f"{host}:{self.port}").encode("ascii")

    def is_same_origin(self, other: Target) -> bool:
        return (self.host, self.port) == (other.host, other.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    ranges: tuple[range, ...]

    @classmethod
    def parse(cls, text: str) -> Ports:
        """Reads "80,443,8000-8100". Raises ValueError."""
        return cls(ranges=tuple(_port_range(part) for part in text.replace(",", " ").split()))

    def __contains__(self, port: int) -> bool:
        return any(port in ports for ports in self.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    allow: AllowList = field(default_factory=AllowList)
    ports: Ports = field(default_factory=lambda: Ports.parse(DEFAULT_PORTS))
    blocked_domains: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Policy:
        """Raises ValueError that names the variable."""
        return cls(
            allow=_setting(environment, "EGRESS_ALLOW", AllowList.parse, ""),
            ports=_setting(environment, "EGRESS_PORTS", Ports.parse, DEFAULT_PORTS),
            blocked_domains=_setting(environment, "EGRESS_DOMAINS_BLOCKED", _domains, ""),
        )

    def check_target(self, target: Target) -> None:
        """What can be said before the name is resolved. Raises DeniedError."""
        host = f".{target.host}"
        if any(host.endswith(f".{domain}") for domain in self.blocked_domains):
            raise DeniedError("domain_blocked")
        is_open = target.port in self.ports or self._trusts_name(target) or self.allow.may_open_port(target.port)
        if not is_open:
            raise DeniedError("port")

    def check_addresses(self, target: Target, addresses: Iterable[str], is_own: Callable[[str], bool]) -> None:
        """Every address must pass: of a mixed answer the public part is bait. Raises DeniedError.

        `is_own` knows this machine's addresses: even a public one reaches what its firewall shields from others.
        """
        for address in addresses:
            reason = self._refusal(target, address, is_own)
            if reason:
                raise DeniedError(reason)

    def _refusal(self, target: Target, address: str, is_own: Callable[[str], bool]) -> str | None:
        judged = verdict(address, self.allow, target.port)
        if judged.reason == "allowed":
            return None
        if self._trusts_name(target):  # a name may move to any address but these
            return "metadata" if judged.reason == "metadata" else None
        if not judged.is_allowed:
            return judged.reason
        if target.port not in self.ports:
            return "port"
        return "own_address" if is_own(address) else None

    def _trusts_name(self, target: Target) -> bool:
        return self.allow.opens_host(target.host, target.port)


def connect_target(text: bytes) -> Target:
    """Of a CONNECT request, which must name its port. Raises DeniedError."""
    host, port = _authority(text)
    if port is None:
        raise DeniedError("port")
    return Target(host=host, port=port)


def absolute_target(text: bytes) -> Target | None:
    """Of an absolute-form request; None for any other form. Raises DeniedError."""
    match = _ABSOLUTE.fullmatch(text)
    if match is None:
        return None
    scheme, authority, path = match.groups()
    if scheme.lower() != b"http":
        raise DeniedError("scheme")
    host, port = _authority(authority)
    return Target(host=host, port=HTTP_PORT if port is None else port, path=path if path[:1] == b"/" else b"/" + path)


def _authority(text: bytes) -> tuple[str, int | None]:
    decoded = _decoded(text)
    if "@" in decoded:
        raise DeniedError("userinfo")
    match = _AUTHORITY.fullmatch(decoded)
    if match is None:
        raise DeniedError("bad_host")
    host = _host(match[1])
    return host, None if match[2] is None else _port(match[2])


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DeniedError("bad_host") from error


def _host(text: str) -> str:
    try:
        return normal_host(text)
    except HostError as error:
        raise DeniedError(error.reason) from error


def _port(digits: str) -> int:
    port = int(digits)
    if not 0 < port <= MAX_PORT or digits[0] == "0":
        raise DeniedError("port")
    return port


def _port_range(text: str) -> range:
    first, dash, last = text.partition("-")
    numbers = (first, last if dash else first)
    if not all(number.isascii() and number.isdecimal() for number in numbers):
        raise ValueError(f"{text!r} is no port or range of ports")
    low, high = (int(number) for number in numbers)
    if not 0 < low <= high <= MAX_PORT:
        raise ValueError(f"{text!r} is no port or range of ports")
    return range(low, high + 1)


def _domains(text: str) -> tuple[str, ...]:
    return tuple(normal_host(part.lstrip("*.")) for part in text.replace(",", " ").split())


def _setting(environment: Mapping[str, str], name: str, parse: Callable[[str], T], default: str) -> T:
    try:
        return parse(environment.get(name, "").strip() or default)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
