"""Where a request comes from. Headers count only as far as the configured proxies vouch for them.

A proxy appends the address that connected to it: with N proxies of ours in front, the Nth entry from the right is the
last that one of them wrote, and everything left of it is whatever the client said.
"""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

IPV6_CUSTOMER_PREFIX = 64

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_ip(request: HttpRequest) -> str | None:
    """The address as limits count it: of IPv6 the first one of its /64, which is what one customer is given.

    None when the server was reached otherwise than over IP, by a Unix socket say.
    """
    address = client_address(request)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), IPV6_CUSTOMER_PREFIX), strict=False).network_address)
    return None if address is None else str(address)


def client_address(request: HttpRequest) -> Address | None:
    return forwarded_address(request) or parsed(request.META.get("REMOTE_ADDR", ""))


def forwarded_address(request: HttpRequest) -> Address | None:
    """None without a trusted proxy, and when the request went past one: what it says is then worth nothing."""
    if settings.TRUSTED_PROXY_HEADER:
        return parsed(request.headers.get(settings.TRUSTED_PROXY_HEADER, ""))
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    if not 0 < settings.PROXY_COUNT <= len(hops):
        return None
    return parsed(hops[-settings.PROXY_COUNT])


def parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        # Without the zone, which is the server's own name for a link and no part of the address.
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address
