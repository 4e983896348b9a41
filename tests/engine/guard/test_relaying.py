"""What the guard lets through, between raw clients and raw origins."""

from __future__ import annotations

import http.client
import os
import socket
import struct
import threading

import pytest

from downloads.engine.guard_policy import Policy
from tests.engine.guard.peers import (
    LOCAL,
    Client,
    CutShortError,
    GuardProcess,
    Peer,
    Site,
    framed,
    guard_thread,
    says,
    says_and_resets,
)

pytestmark = pytest.mark.promise("S1")


class TestPlainHttp:
    def test_gets_a_body_of_known_length(self, client: Client, site: Site) -> None:
        site.handlers["/hello"] = says(framed(b"hello", fields="X-Mine: 1\r\n"))

        reply = client.get(site.url("/hello"))

        assert (reply.status, reply.body, reply.fields["x-mine"]) == (200, b"hello", "1")

    def test_asks_the_origin_for_the_path_under_the_name_of_the_url(self, client: Client, site: Site) -> None:
        site.handlers["/asked"] = says(framed(b""))

        client.get(site.url("/asked?a=b"), b"Proxy-Token: x\r\n")

        head = site.heads[-1]
        assert head.startswith(b"GET /asked?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % site.port)
        assert b"Proxy" not in head
        assert b"Host: x\r\n" not in head

    def test_reaches_an_origin_on_ipv6(self, client: Client, site6: Site) -> None:
        site6.handlers["/hello"] = says(framed(b"six"))

        assert client.get(site6.url("/hello", host="[::1]")).body == b"six"

    def test_tells_of_a_head_request_the_length_and_sends_no_body(self, client: Client, site: Site) -> None:
        site.handlers["/head"] = says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        site.handlers["/after"] = says(framed(b"after"))

        assert client.get(site.url("/head"), method=b"HEAD").fields["content-length"] == "1000"
        assert client.get(site.url("/after")).body == b"after"

    @pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
    def test_expects_no_body_where_there_is_none(self, client: Client, site: Site, status: str) -> None:
        site.handlers["/empty"] = says(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode())

        assert client.get(site.url("/empty")).fields["etag"] == "x"
        assert client.get(site.url("/empty")).fields["etag"] == "x"

    def test_relays_chunks(self, client: Client, site: Site) -> None:
        body = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in (1, 5000, 70_000)) + b"0\r\n\r\n"
        site.handlers["/chunked"] = says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)

        for _ in range(2):
            assert len(client.get(site.url("/chunked")).body) == 75_001

    def test_relays_a_body_that_ends_with_the_connection(self, client: Client, site: Site) -> None:
        site.handlers["/open"] = says(b"HTTP/1.0 200 OK\r\n\r\nall of it", goes_on=False)

        reply = client.get(site.url("/open"))

        assert (reply.body, reply.fields["connection"]) == (b"all of it", "close")

    @pytest.mark.parametrize("method", [b"POST", b"PUT"])
    def test_sends_a_body_of_known_length(self, client: Client, site: Site, method: bytes) -> None:
        def echo(peer: Peer, head: bytes) -> bool:
            assert b"Content-Length: 200000\r\n" in head
            peer.send(framed(peer.read(200_000)))
            return True

        site.handlers["/echo"] = echo
        body = os.urandom(200_000)

        for _ in range(2):
            client.send(b"%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" % (method, site.url("/echo")))
            client.send(body)
            assert client.reply().body == body

    def test_sends_a_chunked_body(self, client: Client, site: Site) -> None:
        chunks = b"5\r\nabcde\r\n0\r\n\r\n"

        def echo(peer: Peer, head: bytes) -> bool:
            assert b"Transfer-Encoding: chunked\r\n" in head
            peer.send(framed(peer.read(len(chunks))))
            return True

        site.handlers["/chunks"] = echo
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % site.url("/chunks"))
        client.send(chunks[:6])
        client.send(chunks[6:])

        assert client.reply().body == chunks

    def test_passes_on_an_interim_answer_before_the_body_is_sent(self, client: Client, site: Site) -> None:
        def polite(peer: Peer, _head: bytes) -> bool:
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            peer.send(framed(peer.read(4)))
            return True

        site.handlers["/expect"] = polite
        client.send(
            b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n" % site.url("/expect")
        )

        assert client.reply().status == 100
        client.send(b"body")
        assert client.reply().body == b"body"

    def test_keeps_interim_answers_from_a_client_that_knows_none(self, client: Client, site: Site) -> None:
        site.handlers["/hinted"] = says(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + framed(b"hello"))
        client.send(b"GET %s HTTP/1.0\r\n\r\n" % site.url("/hinted"))

        reply = client.reply()

        assert (reply.status, reply.body) == (200, b"hello")

    def test_relays_an_answer_that_comes_before_the_body_has_been_read(self, client: Client, site: Site) -> None:
        def refuse(peer: Peer, _head: bytes) -> bool:
            peer.send(framed(b"too large", status="413 Content Too Large", fields="Connection: close\r\n"))
            return False

        site.handlers["/upload"] = refuse
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" % site.url("/upload"))

        reply = client.reply()

        assert (reply.status, reply.fields["connection"]) == (413, "close")

    def test_keeps_the_connection_to_the_origin_for_the_next_request(self, client: Client, site: Site) -> None:
        site.handlers["/hello"] = says(framed(b"hello"))
        before = site.connections

        for _ in range(20):
            assert client.get(site.url("/hello")).body == b"hello"

        assert site.connections == before + 1

    def test_answers_requests_that_were_sent_at_once(self, client: Client, site: Site) -> None:
        site.handlers["/a"] = says(framed(b"a"))
        site.handlers["/b"] = says(framed(b"b"))

        request = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
        client.send(request % site.url("/a") + request % site.url("/b"))

        assert [client.reply().body, client.reply().body] == [b"a", b"b"]

    def test_answers_a_request_that_came_while_the_one_before_waited(self, client: Client, site: Site) -> None:
        reached, may_answer = threading.Event(), threading.Event()

        def wait(peer: Peer, _head: bytes) -> bool:
            reached.set()
            assert may_answer.wait(10)
            peer.send(framed(b"slow"))
            return True

        site.handlers["/slow"] = wait
        site.handlers["/next"] = says(framed(b"next"))
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % site.url("/slow"))
        assert reached.wait(10)
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % site.url("/next"))
        may_answer.set()

        assert [client.reply().body, client.reply().body] == [b"slow", b"next"]

    def test_answers_a_request_that_came_with_the_end_of_the_body_before(self, client: Client, site: Site) -> None:
        reached = threading.Event()

        def read_chunks(peer: Peer, _head: bytes) -> bool:
            reached.set()
            peer.send(framed(peer.read(15)))
            return True

        site.handlers["/chunks"] = read_chunks
        site.handlers["/next"] = says(framed(b"next"))
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % site.url("/chunks"))
        assert reached.wait(5)
        client.send(b"5\r\nabcde\r\n0\r\n\r\nGET %s HTTP/1.1\r\nHost: x\r\n\r\n" % site.url("/next"))

        assert client.reply().body == b"5\r\nabcde\r\n0\r\n\r\n"
        assert client.reply().body == b"next"

    def test_asks_again_where_the_origin_closed_a_kept_connection(self, client: Client, site: Site) -> None:
        site.handlers["/once"] = says(framed(b"once"), goes_on=False)

        for _ in range(5):
            assert client.get(site.url("/once")).body == b"once"

    def test_asks_again_where_the_origin_closes_it_instead_of_answering(self, client: Client, site: Site) -> None:
        asked: list[bytes] = []

        def answer_the_second_time(peer: Peer, head: bytes) -> bool:
            asked.append(head)
            if len(asked) > 1:
                peer.send(framed(b"at last"))
            return len(asked) > 1

        site.handlers["/first"] = says(framed(b"first"))
        site.handlers["/second"] = answer_the_second_time
        client.get(site.url("/first"))

        assert client.get(site.url("/second")).body == b"at last"
        assert len(asked) == 2

    def test_does_not_ask_again_where_a_kept_connection_brings_nonsense(self, client: Client, site: Site) -> None:
        asked: list[bytes] = []

        def talk_nonsense(peer: Peer, head: bytes) -> bool:
            asked.append(head)
            peer.send(b"nonsense\r\n\r\n")
            return False

        site.handlers["/first"] = says(framed(b"first"))
        site.handlers["/nonsense"] = talk_nonsense
        client.get(site.url("/first"))

        assert client.get(site.url("/nonsense")).failed == "bad_response"
        assert len(asked) == 1

    def test_takes_nothing_that_an_origin_sends_unasked_for_the_next_answer(self, client: Client, site: Site) -> None:
        site.handlers["/double"] = says(framed(b"asked") + framed(b"unasked"))
        site.handlers["/next"] = says(framed(b"next"))

        assert client.get(site.url("/double")).body == b"asked"
        assert client.get(site.url("/next")).body == b"next"

    def test_sends_no_body_on_a_kept_connection(self, client: Client, site: Site) -> None:
        def post(peer: Peer, _head: bytes) -> bool:
            peer.send(framed(peer.read(2)))
            return True

        site.handlers["/hello"] = says(framed(b"hello"))
        site.handlers["/post"] = post
        client.get(site.url("/hello"))
        before = site.connections
        client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok" % site.url("/post"))

        assert client.reply().body == b"ok"
        assert site.connections == before + 1

    def test_serves_http_1_0_and_closes(self, client: Client, site: Site) -> None:
        site.handlers["/hello"] = says(framed(b"hello"))
        client.send(b"GET %s HTTP/1.0\r\n\r\n" % site.url("/hello"))

        assert client.reply().body == b"hello"
        assert client.is_closed()
        assert site.heads[-1].startswith(b"GET /hello HTTP/1.0\r\n")

    def test_speaks_with_the_standard_library(self, guard: GuardProcess, site: Site) -> None:
        site.handlers["/hello"] = says(framed(b"hello"))
        connection = http.client.HTTPConnection(LOCAL, guard.port, timeout=10)
        for _ in range(2):
            connection.request("GET", site.url("/hello").decode())
            assert connection.getresponse().read() == b"hello"
        connection.close()

    @pytest.mark.parametrize(
        ("answer", "failed"),
        [
            (b"", "closed"),
            (b"HTTP/1.1 200 OK\r\nContent-", "closed"),
            (b"SSH-2.0-OpenSSH_9\r\n\r\n", "bad_response"),
            (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "bad_response"),
            (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "bad_response"),
            (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20, "bad_response"),
        ],
    )
    def test_says_so_when_the_origin_talks_nonsense(
        self, client: Client, site: Site, answer: bytes, failed: str
    ) -> None:
        site.handlers["/nonsense"] = says(answer, goes_on=False)
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % site.url("/nonsense"))

        reply = client.reply()
        while reply.status < 200:
            reply = client.reply()

        assert (reply.status, reply.failed) == (502, failed)

    def test_says_so_when_the_origin_resets_inside_the_request(self) -> None:
        """Its window is small, so that the guard still sends."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            listener.bind((LOCAL, 0))
            listener.listen()
            port = listener.getsockname()[1]
            with guard_thread(Policy.from_environment({"EGRESS_ALLOW": LOCAL})) as guard, Client(guard) as client:
                url = b"http://127.0.0.1:%d/" % port
                client.send(b"GET %s HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n" % (url, b"x" * 60_000))
                origin, _ = listener.accept()
                assert origin.recv(1)
                origin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                origin.close()

                assert client.reply().failed == "closed"

    def test_lets_no_origin_speak_for_the_guard(self, client: Client, site: Site) -> None:
        site.handlers["/forged"] = says(framed(b"", status="403 x", fields="X-Egress-Denied: private\r\n"))

        assert client.get(site.url("/forged")).denied is None


class TestCuts:
    """An origin that stops half-way must be seen as cut, so that the download is resumed and not published."""

    def test_inside_a_known_length(self, client: Client, site: Site) -> None:
        site.handlers["/cut"] = says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome", goes_on=False)

        with pytest.raises(CutShortError):
            client.get(site.url("/cut"))

    @pytest.mark.parametrize(
        "part", [b"", b"5\r\nabc", b"5\r\nabcde", b"5\r\nabcde\r\n", b"5\r\nabcde\r\n0\r\n", b"zz\r\n"]
    )
    def test_inside_chunks(self, client: Client, site: Site, part: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        site.handlers["/cut"] = says(head + part, goes_on=False)

        with pytest.raises((CutShortError, ConnectionError, ValueError)):
            client.get(site.url("/cut"))

    def test_inside_a_body_of_unknown_length(self, client: Client, site: Site) -> None:
        site.handlers["/cut"] = says_and_resets(b"HTTP/1.0 200 OK\r\n\r\nsome")

        with pytest.raises(ConnectionError):
            client.get(site.url("/cut"))

    def test_inside_a_tunnel(self, client: Client, site: Site) -> None:
        site.handlers["/cut"] = says_and_resets(b"some")
        client.connect(b"127.0.0.1:%d" % site.port)
        client.send(b"GET /cut HTTP/1.1\r\n\r\n")

        with pytest.raises(ConnectionError):
            client.read_to_end()
