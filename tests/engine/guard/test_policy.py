from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.engine.guard_policy import DeniedError, Policy, Ports, Target, absolute_target, connect_target
from downloads.engine.hostnames import HostError, normal_host

pytestmark = pytest.mark.promise("S1")


def nobody(_address: str) -> bool:
    return False


def reason_for(policy: Policy, host: str, port: int, *addresses: str) -> str | None:
    target = Target(host=host, port=port)
    try:
        policy.check_target(target)
        policy.check_addresses(target, addresses, nobody)
    except DeniedError as error:
        return error.reason
    return None


class TestHosts:
    @pytest.mark.parametrize(
        ("text", "normal"),
        [
            ("Example.COM", "example.com"),
            ("a_b.example.com", "a_b.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("ｅxample．com", "example.com"),  # noqa: RUF001 - full-width
            ("127.0.0.1", "127.0.0.1"),
            ("１２７。0.0.1", "127.0.0.1"),  # noqa: RUF001
            ("[::1]", "::1"),
            ("[0:0:0:0:0:0:0:1]", "::1"),
            ("[::FFFF:127.0.0.1]", "::ffff:7f00:1"),
            ("1.2.3.example", "1.2.3.example"),
            ("0x7f.example", "0x7f.example"),
        ],
    )
    def test_have_one_normal_form(self, text: str, normal: str) -> None:
        assert normal_host(text) == normal

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "bad_host"),
            (".", "bad_host"),
            ("a..b", "bad_host"),
            ("example.com.", "bad_host"),
            ("127.0.0.1.", "bad_host"),
            ("a b", "bad_host"),
            ("a%2eb", "bad_host"),
            ("a/b", "bad_host"),
            ("a\\b", "bad_host"),
            ("a\tb", "bad_host"),
            ("a\0b", "bad_host"),
            ("a\u2100b", "bad_host"),  # one letter that IDNA turns into "a/c"
            ("a\uff20b", "bad_host"),  # a full-width @
            ("é" * 300, "bad_host"),
            ("a" * 64, "bad_host"),
            ("[::1", "bad_host"),
            ("[]", "bad_host"),
            ("[127.0.0.1]", "bad_host"),
            ("[fe80::1%eth0]", "scoped_address"),
            ("[fe80::1%25eth0]", "scoped_address"),
            ("2130706433", "noncanonical_address"),
            ("0x7f000001", "noncanonical_address"),
            ("0X7F.1", "noncanonical_address"),
            ("017700000001", "noncanonical_address"),
            ("127.1", "noncanonical_address"),
            ("127.0.1", "noncanonical_address"),
            ("127.0.0.01", "noncanonical_address"),
            ("1.2.3.4.5", "noncanonical_address"),
            ("256.1.1.1", "noncanonical_address"),
            ("example.0x", "noncanonical_address"),
            ("example.1", "noncanonical_address"),
        ],
    )
    def test_that_mean_different_things_to_different_programs_are_refused(self, text: str, reason: str) -> None:
        with pytest.raises(HostError, match=reason):
            normal_host(text)

    @given(st.text(alphabet="0123456789abcdefx.", max_size=20))
    def test_that_the_resolver_takes_for_an_address_are_that_very_address(self, text: str) -> None:
        try:
            packed = socket.inet_aton(text)
        except OSError:
            return
        try:
            host = normal_host(text)
        except HostError:
            return
        assert host == text == str(ipaddress.IPv4Address(packed))

    @given(st.text(max_size=40))
    def test_are_normal_for_good(self, text: str) -> None:
        try:
            host = normal_host(text)
        except HostError:
            return
        assert host.isascii()
        assert normal_host(f"[{host}]" if ":" in host else host) == host


class TestTargets:
    @pytest.mark.parametrize(
        ("url", "host", "port", "path"),
        [
            (b"http://example.com", "example.com", 80, b"/"),
            (b"HTTP://example.com/", "example.com", 80, b"/"),
            (b"http://example.com:8080/a?b=http://c/@d", "example.com", 8080, b"/a?b=http://c/@d"),
            (b"http://example.com?q", "example.com", 80, b"/?q"),
            (b"http://[2606:4700::1]:81/x", "2606:4700::1", 81, b"/x"),
            (b"http://example.com//x", "example.com", 80, b"//x"),
            ("http://bücher.example/ü".encode(), "xn--bcher-kva.example", 80, "/ü".encode()),
        ],
    )
    def test_of_absolute_form(self, url: bytes, host: str, port: int, path: bytes) -> None:
        assert absolute_target(url) == Target(host=host, port=port, path=path)

    @pytest.mark.parametrize("text", [b"/", b"*", b"example.com:80", b"//example.com/", b"http:/example.com", b"x"])
    def test_of_other_forms_are_none(self, text: bytes) -> None:
        assert absolute_target(text) is None

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            (b"https://example.com/", "scheme"),
            (b"ftp://example.com/", "scheme"),
            (b"file:///etc/passwd", "scheme"),
            (b"gopher://127.0.0.1:70/_x", "scheme"),
            (b"http://", "bad_host"),
            (b"http:///x", "bad_host"),
            (b"http://:80/", "bad_host"),
            (b"http://user@example.com/", "userinfo"),
            (b"http://user:pass@example.com/", "userinfo"),
            (b"http://example.com#@127.0.0.1/", "userinfo"),
            (b"http://example.com#x/", "bad_host"),
            (b"http://example.com\\@127.0.0.1/", "userinfo"),
            (b"http://example.com\\127.0.0.1/", "bad_host"),
            (b"http://example.com:/", "bad_host"),
            (b"http://example.com:80:80/", "bad_host"),
            (b"http://example.com:0/", "port"),
            (b"http://example.com:080/", "port"),
            (b"http://example.com:65536/", "port"),
            (b"http://example.com:+80/", "bad_host"),
            (b"http://example.com:\xef\xbc\x98\xef\xbc\x90/", "bad_host"),
            (b"http://\xff\xfe/", "bad_host"),
            (b"http://::1/", "bad_host"),
            (b"http://[::1]x/", "bad_host"),
            (b"http://%6c%6f%63alhost/", "bad_host"),
        ],
    )
    def test_that_are_crooked_are_denied(self, url: bytes, reason: str) -> None:
        with pytest.raises(DeniedError) as denied:
            absolute_target(url)

        assert denied.value.reason == reason

    def test_of_connect_name_host_and_port(self) -> None:
        assert connect_target(b"Example.com:443") == Target(host="example.com", port=443)
        assert connect_target(b"[2606:4700::1]:443") == Target(host="2606:4700::1", port=443)

    @pytest.mark.parametrize(
        "text", [b"example.com", b"[::1]", b"http://example.com:443", b"/", b"::1:443", b"a@b:443"]
    )
    def test_of_connect_are_nothing_else(self, text: bytes) -> None:
        with pytest.raises(DeniedError):
            connect_target(text)

    @pytest.mark.parametrize(
        ("target", "authority"),
        [
            (Target(host="example.com", port=80), b"example.com"),
            (Target(host="example.com", port=81), b"example.com:81"),
            (Target(host="2606:4700::1", port=80), b"[2606:4700::1]"),
        ],
    )
    def test_are_written_as_a_host_header(self, target: Target, authority: bytes) -> None:
        assert target.authority == authority

    @given(st.binary(max_size=60))
    def test_of_any_bytes_are_a_target_or_denied(self, data: bytes) -> None:
        for read in (absolute_target, connect_target):
            try:
                target = read(b"http://" + data if read is absolute_target else data)
            except DeniedError:
                continue
            assert target is None or 0 < target.port < 65536


class TestPorts:
    def test_are_numbers_and_ranges(self) -> None:
        ports = Ports.parse("80, 443,8000-8100")

        assert [port for port in (79, 80, 443, 444, 7999, 8000, 8100, 8101) if port in ports] == [80, 443, 8000, 8100]

    @pytest.mark.parametrize("text", ["x", "0", "65536", "9-8", "1-", "-1", "80;81", "1-2-3", "²"])
    def test_refuse_nonsense(self, text: str) -> None:
        with pytest.raises(ValueError, match="port"):
            Ports.parse(text)


class TestPolicy:
    @pytest.mark.parametrize("port", [80, 443, 8080, 8443])
    def test_opens_the_usual_ports_of_public_hosts(self, port: int) -> None:
        assert reason_for(Policy(), "example.com", port, "93.184.216.34", "2606:2800::1") is None

    @pytest.mark.parametrize("port", [22, 25, 81, 3306, 6379, 11211])
    def test_opens_no_other_ports(self, port: int) -> None:
        assert reason_for(Policy(), "example.com", port, "93.184.216.34") == "port"

    @pytest.mark.parametrize(
        ("addresses", "reason"),
        [
            (["93.184.216.34", "10.0.0.1"], "private"),
            (["10.0.0.1", "93.184.216.34"], "private"),
            (["93.184.216.34", "::1"], "loopback"),
            (["93.184.216.34", "fe80::1%2"], "scoped_address"),
        ],
    )
    def test_refuses_a_mixed_answer_as_a_whole(self, addresses: list[str], reason: str) -> None:
        assert reason_for(Policy(), "example.com", 80, *addresses) == reason

    def test_refuses_an_address_of_this_machine_though_it_is_public(self) -> None:
        target = Target(host="example.com", port=80)

        with pytest.raises(DeniedError, match="own_address"):
            Policy().check_addresses(target, ["93.184.216.34"], lambda _: True)

    def test_opens_allowed_ranges_on_any_port(self) -> None:
        policy = Policy.from_environment({"EGRESS_ALLOW": "10.0.0.0/8"})

        assert reason_for(policy, "nas", 6379, "10.1.1.1") is None
        assert reason_for(policy, "nas", 6379, "93.184.216.34") == "port"
        assert reason_for(policy, "nas", 80, "10.1.1.1", "192.168.1.1") == "private"

    def test_opens_an_allowed_host_wherever_it_is_but_at_the_metadata_service(self) -> None:
        policy = Policy.from_environment({"EGRESS_ALLOW": "nas:5000"})

        assert reason_for(policy, "nas", 5000, "192.168.1.1") is None
        assert reason_for(policy, "nas", 5000, "192.168.1.1", "169.254.169.254") == "metadata"
        assert reason_for(policy, "nas", 80, "192.168.1.1") == "private"
        assert reason_for(policy, "other", 5000, "192.168.1.1") == "port"

    @pytest.mark.parametrize("host", ["bad.example", "a.bad.example", "a.b.bad.example"])
    def test_blocks_a_domain_and_all_below_it(self, host: str) -> None:
        policy = Policy.from_environment({"EGRESS_DOMAINS_BLOCKED": "Bad.example, bücher.example"})

        assert reason_for(policy, host, 80) == "domain_blocked"
        assert reason_for(policy, "xn--bcher-kva.example", 80) == "domain_blocked"

    @pytest.mark.parametrize("host", ["notbad.example", "example", "bad.example.org"])
    def test_blocks_no_domain_that_only_ends_alike(self, host: str) -> None:
        policy = Policy.from_environment({"EGRESS_DOMAINS_BLOCKED": "bad.example"})

        assert reason_for(policy, host, 80, "93.184.216.34") is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [("EGRESS_ALLOW", "10.0.0.1/8"), ("EGRESS_PORTS", "http"), ("EGRESS_DOMAINS_BLOCKED", "a b..c")],
    )
    def test_names_the_setting_that_is_wrong(self, name: str, value: str) -> None:
        with pytest.raises(ValueError, match=f"^{name}: "):
            Policy.from_environment({name: value})

    def test_takes_an_empty_setting_for_none(self) -> None:
        empty = {"EGRESS_ALLOW": "", "EGRESS_PORTS": " ", "EGRESS_DOMAINS_BLOCKED": ""}

        assert Policy.from_environment(empty) == Policy() == Policy.from_environment({})
