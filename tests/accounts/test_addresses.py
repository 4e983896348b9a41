from __future__ import annotations

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory
from pytest_django import Settings

from accounts.addresses import client_ip


def request(rf: RequestFactory, remote: str = "10.0.0.1", **headers: str) -> WSGIRequest:
    return rf.get("/", headers=headers, REMOTE_ADDR=remote)


def test_without_a_proxy_no_header_is_believed(rf: RequestFactory) -> None:
    asked = request(rf, "203.0.113.9", **{"X-Forwarded-For": "198.51.100.1", "X-Real-IP": "198.51.100.1"})
    assert client_ip(asked) == "203.0.113.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (2, "6.6.6.6, 198.51.100.1, 10.1.1.1", "198.51.100.1"),
        (2, "198.51.100.1,10.1.1.1", "198.51.100.1"),
        (1, " 2001:db8::1 ", "2001:db8::"),
        (1, "::ffff:198.51.100.1", "198.51.100.1"),
        # Past a proxy, or not an address: then it is that of whoever connected.
        (2, "6.6.6.6", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "unknown", "10.0.0.1"),
        (1, "198.51.100.1, _hidden", "10.0.0.1"),
    ],
)
def test_the_last_entry_that_our_proxies_wrote_is_the_client(
    rf: RequestFactory, settings: Settings, proxies: int, forwarded: str, client: str
) -> None:
    settings.PROXY_COUNT = proxies
    assert client_ip(request(rf, **{"X-Forwarded-For": forwarded})) == client


def test_a_platform_that_sets_a_header_of_its_own_is_believed_there(rf: RequestFactory, settings: Settings) -> None:
    settings.TRUSTED_PROXY_HEADER = "X-Real-IP"
    settings.PROXY_COUNT = 1
    spoofed = {"X-Forwarded-For": "6.6.6.6", "X-Real-IP": "198.51.100.1"}
    assert client_ip(request(rf, **spoofed)) == "198.51.100.1"
    assert client_ip(request(rf, **{"X-Forwarded-For": "6.6.6.6"})) == "10.0.0.1"


@pytest.mark.parametrize(
    ("remote", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::"),
        ("", None),
    ],
)
def test_limits_count_an_ipv6_customer_as_one(rf: RequestFactory, remote: str, network: str | None) -> None:
    assert client_ip(request(rf, remote)) == network


def test_a_server_reached_by_a_socket_knows_no_address(rf: RequestFactory) -> None:
    assert client_ip(request(rf, "")) is None
