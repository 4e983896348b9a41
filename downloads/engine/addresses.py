"""Which addresses may be reached: our own table of refused ranges, and what the operator allows beyond it. Pure.

Sources: the IANA special-purpose registries for IPv4 and IPv6, RFC 6890, and the clouds' metadata services.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from downloads.engine.hostnames import HostError, is_address, normal_host

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_PORT = 65535

# The first match gives the reason, so single addresses come before the ranges around them.
REFUSED: tuple[tuple[str, str], ...] = (
    ("169.254.169.254/32", "metadata"),
    ("169.254.170.2/32", "metadata"),  # ECS tasks
    ("169.254.170.23/32", "metadata"),  # EKS pods
    ("100.100.100.200/32", "metadata"),  # Alibaba
    ("192.0.0.192/32", "metadata"),  # Oracle
    ("168.63.129.16/32", "metadata"),  # Azure: a public address that only its guests reach
    ("255.255.255.255/32", "broadcast"),
    ("0.0.0.0/8", "this_network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared"),  # carrier-grade NAT
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link_local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "relay_6to4"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmark"),  # also what FakeIP proxies answer with
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("fd00:ec2::254/128", "metadata"),
    ("fd00:ec2::23/128", "metadata"),
    ("fd20:ce::254/128", "metadata"),  # Google
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::ffff:0:0/96", "ipv4_mapped"),
    ("::/96", "ipv4_compatible"),
    ("64:ff9b::/96", "nat64"),
    ("64:ff9b:1::/48", "nat64"),
    ("100::/64", "discard"),
    ("2001::/32", "teredo"),
    ("2001:10::/28", "orchid"),
    ("2001:20::/28", "orchid"),
    ("2001::/23", "reserved"),  # the rest of the protocol assignments: no media there
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "tunnel_6to4"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment_routing"),
    ("fc00::/7", "unique_local"),
    ("fe80::/10", "link_local"),
    ("fec0::/10", "site_local"),
    ("ff00::/8", "multicast"),
    ("::/3", "not_global"),
    ("4000::/2", "not_global"),
    ("8000::/1", "not_global"),  # with the two above: all that is not 2000::/3
)


def _bounds(version: int) -> tuple[tuple[int, int, str], ...]:
    parsed = ((ipaddress.ip_network(text), reason) for text, reason in REFUSED)
    return tuple(
        (int(network[0]), int(network[-1]), reason) for network, reason in parsed if network.version == version
    )


_BOUNDS = {4: _bounds(4), 6: _bounds(6)}
# RFC 5214: the interface part of an ISATAP address, with IPv4 in its last 32 bits, under any prefix.
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`reason` is public, allowed (the operator's word), or the name of what is refused."""

    is_allowed: bool
    reason: str


PUBLIC = Verdict(is_allowed=True, reason="public")
ALLOWED = Verdict(is_allowed=True, reason="allowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedRange:
    network: Network
    port: int | None = None

    def opens(self, address: Address, port: int | None) -> bool:
        return address in self.network and self.port in {None, port}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedHost:
    name: str
    port: int | None = None

    def opens(self, name: str, port: int) -> bool:
        return self.name == name and self.port in {None, port}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """What the operator opens beyond the public internet, on any port unless an entry names one."""

    ranges: tuple[AllowedRange, ...] = ()
    hosts: tuple[AllowedHost, ...] = ()

    @classmethod
    def parse(cls, text: str) -> AllowList:
        """Reads "127.0.0.1/32, 10.0.0.0/8, media.internal, nas:5000, [fd00::1]:80". Raises ValueError."""
        entries = [_entry(part) for part in text.replace(",", " ").split()]
        return cls(
            ranges=tuple(entry for entry in entries if isinstance(entry, AllowedRange)),
            hosts=tuple(entry for entry in entries if isinstance(entry, AllowedHost)),
        )

    def opens_address(self, address: Address, port: int | None) -> bool:
        return any(entry.opens(address, port) for entry in self.ranges)

    def opens_host(self, name: str, port: int) -> bool:
        return any(entry.opens(name, port) for entry in self.hosts)

    def may_open_port(self, port: int) -> bool:
        """Whether some address, yet to be looked up, could be reached on this port."""
        return any(entry.port in {None, port} for entry in self.ranges)


NOTHING = AllowList()


def verdict(address: str | Address, allow: AllowList = NOTHING, port: int | None = None) -> Verdict:
    """Judges what a resolver answered or a URL named. Never raises; what is no address is refused.

    IPv4 inside IPv6 is refused whatever it embeds: a range in `allow` speaks of its own family only.
    """
    parsed = _parse(address)
    if parsed is None:
        return _refused("not_an_address")
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.scope_id is not None:
        return _refused("scoped_address")
    if allow.opens_address(parsed, port):
        return ALLOWED
    reason = _refusal(parsed)
    return _refused(reason) if reason else PUBLIC


def _refusal(address: Address) -> str | None:
    number = int(address)
    for first, last, reason in _BOUNDS[address.version]:
        if first <= number <= last:
            return reason
    is_isatap = address.version == 6 and (number >> 32) & 0xFFFFFFFF in _ISATAP  # noqa: PLR2004
    return "isatap" if is_isatap else None


def _parse(address: str | Address) -> Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _refused(reason: str) -> Verdict:
    return Verdict(is_allowed=False, reason=reason)


def _entry(text: str) -> AllowedRange | AllowedHost:
    """An address or range may end in a port too; one of IPv6 then stands in brackets."""
    place, port = _split_port(text)
    is_bracketed = place.startswith("[") and place.endswith("]")
    network = _network(place[1:-1] if is_bracketed else place)
    if network is not None:
        return AllowedRange(network=network, port=port)
    return AllowedHost(name=_name(place), port=port)


def _split_port(text: str) -> tuple[str, int | None]:
    place, colon, port = text.rpartition(":")
    if not colon or (":" in place and not place.endswith("]")) or text.endswith("]"):
        return text, None
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= MAX_PORT):
        raise ValueError(f"{text!r}: {port!r} is no port (1 to {MAX_PORT})")
    return place, int(port)


def _network(text: str) -> Network | None:
    """None where the text is no range at all. Raises ValueError for a range that is wrong."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        if "/" in text or ":" in text:
            raise ValueError(f"{text!r} is no address range: {error}") from error
        return None


def _name(text: str) -> str:
    try:
        name = normal_host(text)
    except HostError as error:
        raise ValueError(f"{text!r} is neither an address range nor a host name") from error
    if is_address(name):
        raise ValueError(f"{text!r} is neither an address range nor a host name")
    return name
