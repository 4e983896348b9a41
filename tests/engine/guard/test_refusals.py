"""What the guard refuses: crooked spellings of internal addresses, and requests that could be read in two ways."""

from __future__ import annotations

import time

import pytest

from tests.engine.guard.peers import LOCAL, Client, GuardProcess, Site, framed, guard_process, says, wait_until

pytestmark = pytest.mark.promise("S1")

# Each spells an internal host, or tries to pass one off as something else. PORT is the canary's.
SHAPES: dict[str, list[str]] = {
    "loopback": [
        "127.0.0.1:PORT",
        "127.0.0.2:PORT",
        "127.255.255.254:PORT",
        "127.127.127.127:PORT",
        "localhost:PORT",
        "LOCALHOST:PORT",
        "loc\uff41lhost:PORT",
        "[::1]:PORT",
        "[0:0:0:0:0:0:0:1]:PORT",
        "[0000:0000:0000:0000:0000:0000:0000:0001]:PORT",
        "\uff11\uff12\uff17.0.0.1:PORT",  # full-width digits
        "127\u30020\u30020\u30021:PORT",  # ideographic full stops
        "127\uff0e0\uff0e0\uff0e1:PORT",  # full-width full stops
        "127\uff610\uff610\uff611:PORT",  # half-width ideographic full stops
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:PORT",  # circled digits
        "\u00b9\u00b2\u2077.0.0.\u00b9:PORT",  # superscripts
        "\U0001d7cf\U0001d7d0\U0001d7d5.0.0.1:PORT",  # bold mathematical digits
        "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:PORT",  # circled letters
    ],
    "this_network": ["0.0.0.0:PORT", "0.0.0.1:PORT"],
    "unspecified": ["[::]:PORT", "[0:0:0:0:0:0:0:0]:PORT"],
    "ipv4_mapped": [
        "[::ffff:127.0.0.1]:PORT",
        "[::ffff:7f00:1]:PORT",
        "[0:0:0:0:0:ffff:127.0.0.1]:PORT",
        "[::FFFF:169.254.169.254]:80",
    ],
    "ipv4_compatible": ["[::127.0.0.1]:PORT", "[::7f00:1]:PORT"],
    "nat64": ["[64:ff9b::127.0.0.1]:PORT", "[64:ff9b:1::7f00:1]:PORT", "[64:ff9b::a9fe:a9fe]:80"],
    "tunnel_6to4": ["[2002:7f00:1::]:PORT", "[2002:a9fe:a9fe::1]:80"],
    "teredo": ["[2001:0:7f00:1::80ff:fffe]:PORT"],
    "isatap": ["[2a00:1450::5efe:7f00:1]:PORT"],
    "link_local": ["169.254.1.1:80", "[fe80::1]:PORT"],
    "unique_local": ["[fd00::1]:PORT"],
    "metadata": ["169.254.169.254:80", "100.100.100.200:80", "[fd00:ec2::254]:80", "168.63.129.16:80"],
    "private": ["10.0.0.1:80", "172.17.0.1:80", "192.168.0.1:80"],
    "shared": ["100.64.0.1:80"],
    "benchmark": ["198.18.0.1:80"],
    "multicast": ["224.0.0.1:80", "[ff02::1]:80"],
    "broadcast": ["255.255.255.255:80"],
    "scoped_address": ["[::1%lo]:PORT", "[fe80::1%25eth0]:PORT", "[::1%1]:PORT"],
    "noncanonical_address": [
        "2130706433:PORT",
        "0x7f000001:PORT",
        "0X7F000001:PORT",
        "017700000001:PORT",
        "0177.0.0.1:PORT",
        "0177.0x0.0.1:PORT",
        "0x7f.0x0.0x0.0x1:PORT",
        "0x7f.1:PORT",
        "127.1:PORT",
        "127.0.1:PORT",
        "127.000.000.001:PORT",
        "127.0.0.0x1:PORT",
        "00000000177.1:PORT",
        "0:PORT",
        "0x0:PORT",
        "2852039166:80",
        "0xa9fea9fe:80",
        "0251.0376.0251.0376:80",
        "169.254.43518:80",
        "425.510.425.510:80",
        "4294967297:PORT",
        "127.0.0.1.1:PORT",
        "\uff10x7f.1:PORT",
    ],
    "userinfo": [
        "example.com@127.0.0.1:PORT",
        "example.com:80@127.0.0.1:PORT",
        "user:password@127.0.0.1:PORT",
        "@127.0.0.1:PORT",
        "127.0.0.1:PORT@example.com:80",
        "example.com#@127.0.0.1:PORT",
        "127.0.0.1:PORT#@example.com:80",
        "example.com\\@127.0.0.1:PORT",
        "example.com%2f@127.0.0.1:PORT",
        "a@b@127.0.0.1:PORT",
    ],
    "bad_host": [
        "127.0.0.1.:PORT",
        "localhost.:PORT",
        "127.0.0.1:PORT#.example.com:80",
        "127.0.0.1\\.example.com:PORT",
        "127.0.0.1:PORT\\.example.com:80",
        "%31%32%37.0.0.1:PORT",
        "127.0.0.1%00.example.com:PORT",
        "127.0.0.1%0d%0a:PORT",
        "127%2e0%2e0%2e1:PORT",
        "localhost;example.com:PORT",
        "localhost,example.com:PORT",
        "127.0.0.1:PORT:80",
        "[127.0.0.1]:PORT",
        "[::1]].example.com:PORT",
        "[[::1]]:PORT",
        "::1:PORT",
        "[::1:PORT",
        "[::1].example.com:PORT",
        "127..1:PORT",
        ".127.0.0.1:PORT",
        "127.0.0.1\uff0fx:PORT",  # a full-width slash
        "127.0.0.1\uff1aPORT:80",  # a full-width colon
        "local\u00adhost\u200b.:PORT",
        ":PORT",
    ],
}
CASES = [(shape, reason) for reason, shapes in SHAPES.items() for shape in shapes]


@pytest.mark.parametrize(("shape", "reason"), CASES)
def test_refuses_every_spelling_of_an_internal_host(guard: GuardProcess, canary: Site, shape: str, reason: str) -> None:
    authority = shape.replace("PORT", str(canary.port)).encode()
    before = canary.connections

    with Client(guard.port) as plain, Client(guard.port) as tunnel:
        replies = [plain.get(b"http://" + authority + b"/"), tunnel.connect(authority)]

    for reply in replies:
        assert (reply.status, reply.reason, reply.denied) == (403, f"url_blocked {reason}", reason)
    assert canary.connections == before


def test_the_list_of_spellings_is_long_enough() -> None:
    assert len(CASES) == len(set(CASES)) >= 60


@pytest.mark.parametrize(
    "inside",
    [b"\t", b"\n", b"\r", b"\0", b" ", b"\x0b", b"\x7f", b"\r\n", b"\r\nX: y\r\n"],
)
def test_refuses_control_characters_in_a_url(guard: GuardProcess, canary: Site, inside: bytes) -> None:
    before = canary.connections
    for url in (b"http://127.0.0.1%s:%d/", b"http://example.com%s@127.0.0.1:%d/", b"http:%s//127.0.0.1:%d/"):
        with Client(guard.port) as client:
            reply = client.get(url % (inside, canary.port))
            assert (reply.status, reply.failed) == (400, "bad_request")
    assert canary.connections == before


def test_judges_a_redirect_at_the_next_request(client: Client, site: Site, canary: Site) -> None:
    site.handlers["/away"] = says(framed(b"", status="302 Found", fields=f"Location: {canary.url('/').decode()}\r\n"))
    before = canary.connections

    location = client.get(site.url("/away")).fields["location"]
    reply = client.get(location.encode())

    assert (reply.status, reply.denied) == (403, "loopback")
    assert canary.connections == before


def test_does_not_take_a_kept_connection_for_another_host(client: Client, site: Site, canary: Site) -> None:
    site.handlers["/hello"] = says(framed(b"hello"))
    assert client.get(site.url("/hello")).body == b"hello"

    assert client.get(b"http://localhost:%d/hello" % canary.port).denied == "loopback"


@pytest.mark.parametrize(
    ("request_line", "reason"),
    [
        (b"GET https://example.com/", "scheme"),
        (b"GET ftp://example.com/", "scheme"),
        (b"GET http://example.com:22/", "port"),
        (b"GET http://example.com:0/", "port"),
        (b"GET http://example.com:99999/", "port"),
        (b"CONNECT example.com:25", "port"),
        (b"CONNECT example.com", "port"),
        (b"DELETE http://example.com/", "method"),
        (b"TRACE http://example.com/", "method"),
        (b"get http://example.com/", "method"),
        (b"GET http://blocked.example/", "domain_blocked"),
        (b"CONNECT www.Blocked.Example:443", "domain_blocked"),
    ],
)
def test_denies_with_a_reason_before_it_looks_anything_up(client: Client, request_line: bytes, reason: str) -> None:
    client.send(request_line + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    reply = client.reply()

    assert (reply.status, reply.denied) == (403, reason)
    assert reply.body == f"url_blocked {reason}\n".encode()
    assert client.is_closed()


def test_a_denied_head_request_gets_no_body(client: Client, canary: Site) -> None:
    assert client.get(canary.url("/"), method=b"HEAD").denied == "loopback"
    assert client.is_closed()


def test_tells_a_name_that_does_not_exist_from_a_denial(client: Client) -> None:
    reply = client.get(b"http://no-such-name.invalid/")

    assert (reply.status, reply.reason, reply.failed) == (502, "egress_failed dns", "dns")


def test_tells_a_closed_port_from_a_denial() -> None:
    vacated = Site()
    vacated.close()
    with guard_process(EGRESS_ALLOW=f"{LOCAL}:{vacated.port}") as own, Client(own.port) as a, Client(own.port) as b:
        for reply in (a.get(vacated.url("/")), b.connect(f"{LOCAL}:{vacated.port}".encode())):
            assert (reply.status, reply.failed) == (502, "connect")


HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\n", 400),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00\r\n\r\n", 400),
        (b"GET URL HTTP/1.1\n" + b"Host: x\n\n", 400),
        (b"GET URL HTTP/1.1\r\n" + HOST + b"X: a\n\r\n", 400),
        (b"GET URL HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
        (b"GET URL HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET URL HTTP/1.1\r\n\r\n", 400),
        (b"GET URL HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET URL HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (b"GET URL HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST URL HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST URL HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400),
        (b"GET URL HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET URL" + b"x" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
        (b"x" * 200_000, 431),
    ],
)
def test_answers_a_bad_request_as_one_and_closes(client: Client, site: Site, request_bytes: bytes, status: int) -> None:
    site.handlers["/slow"] = lambda peer, _head: bool(peer.read(1))
    client.send(request_bytes.replace(b"URL", site.url("/slow"), 1))

    reply = client.reply()

    assert reply.status == status
    assert reply.failed == ("bad_request" if status == 400 else "large_request")
    assert client.is_closed()


def test_forgives_an_empty_line_before_a_request(client: Client, site: Site) -> None:
    site.handlers["/hello"] = says(framed(b"hello"))
    client.send(b"\r\n")

    assert client.get(site.url("/hello")).body == b"hello"


def test_logs_hosts_and_verdicts_and_nothing_else(guard: GuardProcess, site: Site, canary: Site) -> None:
    site.handlers["/private-path"] = says(framed(b""))
    for url in (site.url("/private-path?secret=1"), canary.url("/private-path?secret=2")):
        with Client(guard.port) as client:
            client.get(url, b"Cookie: secret=3\r\n")
    with Client(guard.port) as client:
        client.get(b"http://secret-user:secret-password@127.0.0.1/private-path")

    assert wait_until(lambda: any(line.get("reason") == "userinfo" for line in guard.log))
    text = (guard.directory / "log").read_text()
    assert "secret" not in text
    assert "private-path" not in text
    seen = [(line["level"], line["event"], line.get("host"), line.get("reason")) for line in guard.log]
    assert ("debug", "egress_allowed", LOCAL, None) in seen
    assert ("info", "egress_denied", LOCAL, "loopback") in seen
    assert ("info", "egress_denied", None, "userinfo") in seen


def test_hears_a_client_out_that_is_still_sending(client: Client, canary: Site) -> None:
    client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" % canary.url("/"))
    for _ in range(10):
        client.send(b"x" * 100)
        time.sleep(0.01)

    assert client.reply().denied == "loopback"
