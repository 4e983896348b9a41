from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from downloads.engine.addresses import REFUSED, AllowList, verdict

VERDICTS = [
    # public, and the neighbours of refused ranges
    ("1.1.1.1", "public"),
    ("8.8.8.8", "public"),
    ("93.184.216.34", "public"),
    ("1.0.0.0", "public"),
    ("9.255.255.255", "public"),
    ("11.0.0.0", "public"),
    ("100.63.255.255", "public"),
    ("100.128.0.0", "public"),
    ("126.255.255.255", "public"),
    ("128.0.0.0", "public"),
    ("169.253.255.255", "public"),
    ("169.255.0.0", "public"),
    ("172.15.255.255", "public"),
    ("172.32.0.0", "public"),
    ("191.255.255.255", "public"),
    ("192.0.1.0", "public"),
    ("192.0.3.0", "public"),
    ("192.88.98.255", "public"),
    ("192.88.100.0", "public"),
    ("192.167.255.255", "public"),
    ("192.169.0.0", "public"),
    ("198.17.255.255", "public"),
    ("198.20.0.0", "public"),
    ("198.51.99.255", "public"),
    ("198.51.101.0", "public"),
    ("203.0.112.255", "public"),
    ("203.0.114.0", "public"),
    ("223.255.255.255", "public"),
    ("168.63.129.15", "public"),
    ("2000::1", "public"),
    ("2001:200::1", "public"),
    ("2001:4860:4860::8888", "public"),
    ("2001:db7:ffff::1", "public"),
    ("2001:db9::1", "public"),
    ("2003::1", "public"),
    ("2606:4700:4700::1111", "public"),
    ("2a00:1450:4001:81b::200e", "public"),
    ("3ffe:ffff::1", "public"),
    ("3fff:1000::1", "public"),
    # IPv4
    ("0.0.0.0", "this_network"),
    ("0.1.2.3", "this_network"),
    ("0.255.255.255", "this_network"),
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.0", "shared"),
    ("100.127.255.255", "shared"),
    ("100.100.100.200", "metadata"),
    ("127.0.0.0", "loopback"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.255", "loopback"),
    ("169.254.0.0", "link_local"),
    ("169.254.169.253", "link_local"),
    ("169.254.169.254", "metadata"),
    ("169.254.170.2", "metadata"),
    ("169.254.170.23", "metadata"),
    ("169.254.255.255", "link_local"),
    ("168.63.129.16", "metadata"),
    ("172.16.0.0", "private"),
    ("172.17.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.0", "reserved"),
    ("192.0.0.170", "reserved"),
    ("192.0.0.192", "metadata"),
    ("192.0.0.255", "reserved"),
    ("192.0.2.0", "documentation"),
    ("192.0.2.255", "documentation"),
    ("192.88.99.0", "relay_6to4"),
    ("192.88.99.255", "relay_6to4"),
    ("192.168.0.0", "private"),
    ("192.168.255.255", "private"),
    ("198.18.0.0", "benchmark"),
    ("198.19.255.255", "benchmark"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.7", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.0", "reserved"),
    ("255.255.255.254", "reserved"),
    ("255.255.255.255", "broadcast"),
    # IPv6
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::2", "ipv4_compatible"),
    ("::127.0.0.1", "ipv4_compatible"),
    ("::8.8.8.8", "ipv4_compatible"),
    ("::ffff:127.0.0.1", "ipv4_mapped"),
    ("::ffff:169.254.169.254", "ipv4_mapped"),
    ("::ffff:8.8.8.8", "ipv4_mapped"),
    ("::ffff:0:127.0.0.1", "not_global"),
    ("64:ff9b::7f00:1", "nat64"),
    ("64:ff9b::8.8.8.8", "nat64"),
    ("64:ff9b:1::a00:1", "nat64"),
    ("64:ff9b:1:ffff::8.8.8.8", "nat64"),
    ("64:ff9b:2::1", "not_global"),
    ("100::1", "discard"),
    ("100:0:0:1::1", "not_global"),
    ("1fff:ffff::1", "not_global"),
    ("2001::1", "teredo"),
    ("2001:0:7f00:1::", "teredo"),
    ("2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "teredo"),
    ("2001:1::1", "reserved"),
    ("2001:2::1", "reserved"),
    ("2001:10::1", "orchid"),
    ("2001:1f:ffff::1", "orchid"),
    ("2001:20::1", "orchid"),
    ("2001:2f:ffff::1", "orchid"),
    ("2001:1ff:ffff::1", "reserved"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::", "tunnel_6to4"),
    ("2002:808:808::1", "tunnel_6to4"),
    ("2a00::5efe:10.0.0.1", "isatap"),
    ("2a00::200:5efe:8.8.8.8", "isatap"),
    ("3fff::1", "documentation"),
    ("3fff:fff::1", "documentation"),
    ("4000::1", "not_global"),
    ("5f00::1", "segment_routing"),
    ("8000::1", "not_global"),
    ("fc00::1", "unique_local"),
    ("fdff:ffff::1", "unique_local"),
    ("fd00:ec2::254", "metadata"),
    ("fd00:ec2::23", "metadata"),
    ("fd20:ce::254", "metadata"),
    ("fe00::1", "not_global"),
    ("fe80::1", "link_local"),
    ("fe80::1%eth0", "scoped_address"),
    ("2606:4700::1%2", "scoped_address"),
    ("febf::1", "link_local"),
    ("fec0::1", "site_local"),
    ("feff::1", "site_local"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast"),
    # what only looks like an address
    ("", "not_an_address"),
    ("127.1", "not_an_address"),
    ("0x7f.0.0.1", "not_an_address"),
    ("0177.0.0.1", "not_an_address"),
    ("2130706433", "not_an_address"),
    ("127.0.0.1 ", "not_an_address"),
    ("127.0.0.1/8", "not_an_address"),
    ("[::1]", "not_an_address"),
    ("localhost", "not_an_address"),
    ("\uff18.8.8.8", "not_an_address"),  # a full-width digit
]


@pytest.mark.parametrize(("address", "reason"), VERDICTS)
def test_judges_an_address(address: str, reason: str) -> None:
    judged = verdict(address)

    assert (judged.is_allowed, judged.reason) == (reason == "public", reason)


ipv4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
ipv6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)


@given(ipv4)
@example(ipaddress.IPv4Address("168.63.129.16"))
def test_calls_no_ipv4_address_public_that_the_standard_library_calls_private(address: ipaddress.IPv4Address) -> None:
    if verdict(address).is_allowed:
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@given(ipv6)
def test_calls_no_ipv6_address_public_that_the_standard_library_calls_private(address: ipaddress.IPv6Address) -> None:
    if verdict(address).is_allowed:
        assert address.is_global
        assert address in ipaddress.ip_network("2000::/3")
        assert address.ipv4_mapped is None
        assert address.sixtofour is None
        assert address.teredo is None


def _at(prefix: str, shift: int) -> Callable[[int], int]:
    return lambda embedded: int(ipaddress.IPv6Address(prefix)) | embedded << shift


# How IPv4 is written into IPv6: mapped, compatible, translated, NAT64 at each of RFC 6052's places, 6to4, Teredo
# (its server, and its client with the bits turned over), ISATAP under a public prefix.
EMBEDDINGS: list[Callable[[int], int]] = [
    _at("::ffff:0:0", 0),
    _at("::", 0),
    _at("::ffff:0:0:0", 0),
    _at("64:ff9b::", 0),
    _at("64:ff9b:1::", 0),
    _at("64:ff9b:1::", 40),
    _at("64:ff9b:1:abcd::", 0),
    _at("2002::", 80),
    _at("2001::", 64),
    lambda embedded: int(ipaddress.IPv6Address("2001::")) | (embedded ^ 0xFFFFFFFF),
    _at("2a00:1450::5efe:0:0", 0),
    _at("2a00:1450::200:5efe:0:0", 0),
    _at("fe80::5efe:0:0", 0),
]


@pytest.mark.parametrize("embed", EMBEDDINGS)
@given(embedded=st.integers(0, 2**32 - 1))
@example(embedded=int(ipaddress.IPv4Address("127.0.0.1")))
@example(embedded=int(ipaddress.IPv4Address("169.254.169.254")))
@example(embedded=int(ipaddress.IPv4Address("8.8.8.8")))
def test_refuses_ipv4_inside_ipv6_whatever_it_embeds(embed: Callable[[int], int], embedded: int) -> None:
    assert not verdict(ipaddress.IPv6Address(embed(embedded))).is_allowed


@given(st.text(max_size=60))
def test_never_raises(text: str) -> None:
    assert verdict(text).is_allowed in {True, False}


@given(ipv6)
def test_judges_every_spelling_of_an_address_alike(address: ipaddress.IPv6Address) -> None:
    assert verdict(address.exploded) == verdict(address.compressed) == verdict(address.exploded.upper())


@pytest.mark.parametrize(("network", "reason"), REFUSED)
def test_refuses_both_ends_of_each_range(network: str, reason: str) -> None:
    ends = ipaddress.ip_network(network)

    assert not verdict(ends[0]).is_allowed, reason
    assert not verdict(ends[-1]).is_allowed, reason


class TestAllowList:
    allow = AllowList.parse("127.0.0.1/32, 10.0.0.0/8, fd00::/8 192.168.1.5:9000,[::1]:8000, media.internal, NAS:5000")

    @pytest.mark.parametrize(
        ("address", "port"),
        [
            ("127.0.0.1", 1),
            ("10.1.2.3", 65535),
            ("fd12::1", 22),
            ("192.168.1.5", 9000),
            ("::1", 8000),
        ],
    )
    def test_opens_what_it_names(self, address: str, port: int) -> None:
        assert verdict(address, self.allow, port).reason == "allowed"

    @pytest.mark.parametrize(
        ("address", "port"),
        [
            ("127.0.0.2", 1),
            ("11.0.0.1", None),
            ("192.168.1.5", 80),
            ("192.168.1.5", None),
            ("::1", 80),
            ("::ffff:10.0.0.1", 80),
            ("::ffff:127.0.0.1", 80),
            ("64:ff9b::a00:1", 80),
            ("fd12::1%eth0", 80),
        ],
    )
    def test_opens_nothing_else(self, address: str, port: int | None) -> None:
        assert verdict(address, self.allow, port).reason != "allowed"

    def test_knows_hosts_with_and_without_a_port(self) -> None:
        assert self.allow.opens_host("media.internal", 1234)
        assert self.allow.opens_host("nas", 5000)
        assert not self.allow.opens_host("nas", 5001)
        assert not self.allow.opens_host("x.media.internal", 80)

    def test_is_empty_for_empty_text(self) -> None:
        assert AllowList.parse(" , ") == AllowList()

    @pytest.mark.parametrize(
        "text",
        [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0",
            "0x7f.1",
            "300.1.1.1",
            "nas:0",
            "nas:65536",
            "nas:http",
            "nas:",
            "nas:²",
            "*.internal",
            "http://nas",
            "nas/24",
            "a..b",
            ".internal",
            "::1:",
            "[::1",
            "[nas]",
            "nas:80:80",
            "user@nas",
            "fe80::1%eth0/64",
            "127.1",
            "\uff11\uff12\uff17.0.0.1",  # full-width digits, which a name may be written in
        ],
    )
    def test_refuses_nonsense_and_names_it(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"range|port|name"):
            AllowList.parse(f"10.0.0.0/8, {text}")
