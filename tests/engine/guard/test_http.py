from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.engine.guard_bodies import Body, Chunked, Length, MessageError, UntilClose
from downloads.engine.guard_http import parse_request, parse_response

pytestmark = pytest.mark.promise("S1")

LINE = b"GET http://example.com/ HTTP/1.1\r\n"
HOST = b"Host: example.com\r\n"


def kind_of(body: Body) -> str:
    return "none" if body.is_complete else type(body).__name__


class TestRequests:
    def test_are_written_anew_for_the_origin(self) -> None:
        request = parse_request(
            b"GET http://example.com/x HTTP/1.1\r\nHost: other\r\nUser-Agent: \t a b \r\nX-Gone: 1\r\n"
            b"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nConnection: X-Gone, keep-alive\r\n"
            b"Keep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nTrailer: x\r\nCookie: a=b\r\n\r\n"
        )

        assert request.serialized(b"example.com", b"/x") == (
            b"GET /x HTTP/1.1\r\nHost: example.com\r\nUser-Agent: a b\r\nCookie: a=b\r\n\r\n"
        )

    def test_cannot_strip_their_own_framing(self) -> None:
        request = parse_request(LINE + HOST + b"Content-Length: 3\r\nConnection: content-length, host\r\n\r\n")

        assert b"Content-Length: 3\r\n" in request.serialized(b"example.com", b"/")
        assert b"Host: example.com\r\n" in request.serialized(b"example.com", b"/")

    @pytest.mark.parametrize(
        ("head", "closes"),
        [
            (LINE + HOST, False),
            (LINE + HOST + b"Connection: Close\r\n", True),
            (LINE + HOST + b"Proxy-Connection: close\r\n", True),
            (b"GET http://example.com/ HTTP/1.0\r\n", True),
            (b"GET http://example.com/ HTTP/1.0\r\nConnection: keep-alive\r\n", True),
        ],
    )
    def test_say_whether_the_connection_goes_on(self, head: bytes, *, closes: bool) -> None:
        assert parse_request(head + b"\r\n").wants_close is closes

    @pytest.mark.parametrize(
        ("fields", "kind"),
        [
            (b"", "none"),
            (b"Content-Length: 0\r\n", "none"),
            (b"Content-Length: 5\r\n", "Length"),
            (b"Transfer-Encoding: Chunked\r\n", "Chunked"),
        ],
    )
    def test_have_a_body_of_known_framing(self, fields: bytes, kind: str) -> None:
        assert kind_of(parse_request(LINE + HOST + fields + b"\r\n").body) == kind

    @pytest.mark.parametrize(
        "head",
        [
            b"\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET http://a/\r\n\r\n",
            b"GET http://a/ HTTP/2.0\r\n\r\n",
            b"GET http://a/ HTTP/1.2\r\n\r\n",
            b"GET http://a/ http/1.1\r\n\r\n",
            b"GET  http://a/ HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET http://a/ b HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET http://a/\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET http://a/\x7f HTTP/1.1\r\n" + HOST + b"\r\n",
            b" GET http://a/ HTTP/1.1\r\n" + HOST + b"\r\n",
            b"G@T http://a/ HTTP/1.1\r\n" + HOST + b"\r\n",
            b"GET http://a/ HTTP/1.1\n" + HOST + b"\r\n",
            LINE + b"\r\n",
            LINE + HOST + HOST + b"\r\n",
            LINE + b"Host: a\nX: b\r\n\r\n",
            LINE + b"Host: a\rX: b\r\n\r\n",
            LINE + HOST + b" folded\r\n\r\n",
            LINE + HOST + b"X: a\r\n\tb\r\n\r\n",
            LINE + HOST + b"X : a\r\n\r\n",
            LINE + HOST + b": a\r\n\r\n",
            LINE + HOST + b"no colon\r\n\r\n",
            LINE + HOST + b"X: a\x00b\r\n\r\n",
            LINE + HOST + b"X\xe9: a\r\n\r\n",
            LINE + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
            LINE + HOST + b"Content-Length: 1, 1\r\n\r\n",
            LINE + HOST + b"Content-Length: -1\r\n\r\n",
            LINE + HOST + b"Content-Length: +1\r\n\r\n",
            LINE + HOST + b"Content-Length: 0x1\r\n\r\n",
            LINE + HOST + b"Content-Length: \r\n\r\n",
            LINE + HOST + b"Content-Length: 1_0\r\n\r\n",
            LINE + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
            LINE + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            LINE + HOST + b"Transfer-Encoding: identity\r\n\r\n",
            LINE + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
            LINE + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
            LINE + HOST + b"Transfer-Encoding: xchunked\r\n\r\n",
            LINE + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST http://a/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
    )
    def test_that_can_be_read_in_two_ways_are_refused(self, head: bytes) -> None:
        with pytest.raises(MessageError) as refused:
            parse_request(head)

        assert refused.value.status == 400

    @pytest.mark.parametrize("filler", [b" " * 60_000, b"a" * 60_000, b"\t\x01" * 30_000, b",chunked" * 7_000])
    def test_take_no_time_however_odd(self, filler: bytes) -> None:
        started = time.monotonic()
        for name in (b"X", b"Connection", b"Transfer-Encoding", b"Content-Length"):
            try:
                parse_request(LINE + HOST + name + b": " + filler + b"\x01\r\n\r\n")
            except MessageError:
                continue
        assert time.monotonic() - started < 1

    @given(st.binary(max_size=200))
    def test_of_any_bytes_are_parsed_or_refused(self, data: bytes) -> None:
        for head in (data + b"\r\n\r\n", LINE + HOST + data + b"\r\n\r\n"):
            try:
                written = parse_request(head).serialized(b"example.com", b"/")
            except MessageError:
                continue
            again = written.replace(b" / ", b" http://example.com/ ", 1)
            assert written == parse_request(again).serialized(b"example.com", b"/")


class TestResponses:
    def test_are_written_anew_for_the_client(self) -> None:
        response = parse_response(
            b"HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\n"
            b"Proxy-Authenticate: Basic\r\nX-Egress-Denied: forged\r\nX-Egress-Failed: forged\r\n"
            b"Content-Length: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
            "GET",
        )

        assert response.serialized(closes=False) == (
            b"HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n\r\n"
        )
        assert response.serialized(closes=True).endswith(b"Connection: close\r\n\r\n")

    def test_may_be_untidy(self) -> None:
        response = parse_response(b"HTTP/1.0 404\nX: a\n  b\nno field\nBad Name: x\nY:c\n\n", "GET")

        assert response.serialized(closes=False) == b"HTTP/1.1 404 \r\nX: a b\r\nY: c\r\n\r\n"

    @pytest.mark.parametrize(
        ("status", "method", "fields", "kind"),
        [
            (200, "GET", b"Content-Length: 5\r\n", "Length"),
            (200, "GET", b"Content-Length: 5\r\nContent-Length: 5\r\n", "Length"),
            (200, "GET", b"Content-Length: 0\r\n", "none"),
            (200, "GET", b"Transfer-Encoding: chunked\r\n", "Chunked"),
            (200, "GET", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "Chunked"),
            (200, "GET", b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "Length"),
            (200, "GET", b"", "UntilClose"),
            (999, "GET", b"", "UntilClose"),
            (200, "HEAD", b"Content-Length: 5\r\n", "none"),
            (200, "HEAD", b"Transfer-Encoding: chunked\r\n", "none"),
            (204, "GET", b"", "none"),
            (304, "GET", b"Content-Length: 5\r\n", "none"),
            (100, "POST", b"", "none"),
            (103, "GET", b"Content-Length: 5\r\n", "none"),
        ],
    )
    def test_have_a_body_of_known_framing(self, status: int, method: str, fields: bytes, kind: str) -> None:
        assert kind_of(parse_response(b"HTTP/1.1 %d x\r\n%s\r\n" % (status, fields), method).body) == kind

    def test_to_head_keep_the_length_that_they_tell(self) -> None:
        response = parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD")

        assert b"Content-Length: 5\r\n" in response.serialized(closes=False)

    @pytest.mark.parametrize(
        ("head", "keeps"),
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", True),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True),
            (b"HTTP/1.1 304 x\r\n\r\n", True),
            (b"HTTP/1.1 200 OK\r\n\r\n", False),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", False),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        ],
    )
    def test_say_whether_the_connection_serves_another(self, head: bytes, *, keeps: bool) -> None:
        assert parse_response(head, "GET").keeps_alive is keeps

    @pytest.mark.parametrize(
        "head",
        [
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 200 O\x00K\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ],
    )
    def test_without_a_meaning_are_refused(self, head: bytes) -> None:
        with pytest.raises(MessageError):
            parse_response(head, "GET")


def read_in_pieces(body: Body, data: bytes, size: int) -> int:
    taken = 0
    while taken < len(data) and not body.is_complete:
        taken += body.take(memoryview(data)[taken : taken + size])
    return taken


class TestBodies:
    def test_of_a_length_end_there(self) -> None:
        body = Length(5)

        assert body.wanted(100) == 5
        assert read_in_pieces(body, b"12345678", 2) == 5
        assert body.is_complete

    def test_until_the_close_take_everything(self) -> None:
        assert read_in_pieces(UntilClose(), b"12345678", 3) == 8

    @given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), st.integers(1, 60), st.binary(max_size=9))
    def test_in_chunks_end_with_the_last_one_however_they_arrive(
        self, chunks: list[bytes], size: int, after: bytes
    ) -> None:
        data = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        body = Chunked(is_strict=True)

        assert read_in_pieces(body, data + after, size) == len(data)
        assert body.is_complete

    def test_in_chunks_of_an_origin_may_have_extensions_padding_and_trailers(self) -> None:
        data = b"5 ;name=value\r\n12345\r\n1  \r\nx\r\n0\r\nX: y\r\nZ: z\r\n\r\n"
        body = Chunked(is_strict=False)

        assert read_in_pieces(body, data, 7) == len(data)
        assert body.is_complete

    @pytest.mark.parametrize(
        "data",
        [
            b"\r\n",
            b"x\r\n",
            b"-1\r\n",
            b"0x5\r\n",
            b" 5\r\n",
            b"5 \r\n",
            b"5;a=b\r\n",
            b"5\n12345\r\n",
            b"5\r\r\n",
            b"5\r\n123456\r\n",
            b"5\r\n12345\n0\r\n\r\n",
            b"1" * 16 + b"\r\n",
            b"1" * 5000,
            b"0\r\nX: y\r\n\r\n",
            b"0\r\n\n",
        ],
    )
    def test_in_chunks_of_a_client_must_be_exact(self, data: bytes) -> None:
        with pytest.raises(MessageError):
            read_in_pieces(Chunked(is_strict=True), data, 1000)

    def test_in_chunks_have_bounded_lines_and_trailers(self) -> None:
        for endless in (b"5;" + b"x" * 5000, b"0\r\n" + b"X: y\r\n" * 5000):
            with pytest.raises(MessageError):
                read_in_pieces(Chunked(is_strict=False), endless, 1000)
