from __future__ import annotations

import hashlib
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.origin import Origin
from tests.origin.pages import BOMB_BYTES

ROOT = Path(__file__).resolve().parent.parent


class Client:
    """One keep-alive connection, as plain as http.client gives it."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def get(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        self.connection.request(
            method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        return self.connection.getresponse()

    def read(self, path: str, **headers: str) -> bytes:
        return self.get(path, **headers).read()


@pytest.fixture
def client(origin: Origin) -> Iterator[Client]:
    origin.clear()
    opened = Client(origin.port)
    yield opened
    opened.connection.close()


class TestFiles:
    def test_the_whole_is_described_and_sent(self, client: Client, origin: Origin, media_dir: Path) -> None:
        answer = client.get("/clip.mp4")
        body = answer.read()
        assert body == (media_dir / "clip.mp4").read_bytes()
        assert answer.headers["Content-Type"] == "video/mp4"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Last-Modified"]
        assert hashlib.sha256(body).hexdigest() == origin.sha256("/clip.mp4")

    @pytest.mark.parametrize("path", ["/clip.mp4", "/big/3000000.mp4"])
    @pytest.mark.parametrize("wanted", ["0-0", "100-199", "1000-", "-500", "158000-159000", "2-99999999999"])
    def test_a_range_is_a_part_of_the_whole(self, client: Client, origin: Origin, path: str, wanted: str) -> None:
        whole = origin.body(path)
        first, last = wanted.split("-")
        start = int(first) if first else len(whole) - int(last)
        expected = whole[start : int(last) + 1] if first and last else whole[start:]
        answer = client.get(path, Range=f"bytes={wanted}")
        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(whole)}"
        assert answer.read() == expected

    def test_a_range_past_the_end_is_416(self, client: Client) -> None:
        answer = client.get("/clip.mp4", Range="bytes=99999999-")
        assert answer.status == 416
        assert answer.headers["Content-Range"].startswith("bytes */")

    @pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6"])
    def test_a_range_that_makes_no_sense_is_ignored(self, client: Client, wanted: str) -> None:
        answer = client.get("/clip.mp4", Range=wanted)
        answer.read()
        assert answer.status == 200

    def test_if_range_with_another_tag_gets_the_whole(self, client: Client) -> None:
        tag = client.get("/clip.mp4", method="HEAD").headers["ETag"]
        client.connection.close()
        assert len(client.read("/clip.mp4", Range="bytes=0-9", If_Range=tag)) == 10
        assert len(client.read("/clip.mp4", Range="bytes=0-9", If_Range='"other"')) > 10

    def test_an_unchanged_file_is_304(self, client: Client) -> None:
        tag = client.get("/clip.mp4", method="HEAD").headers["ETag"]
        client.connection.close()
        assert client.get("/clip.mp4", If_None_Match=tag).status == 304

    def test_head_has_the_length_and_no_body(self, client: Client, media_dir: Path) -> None:
        answer = client.get("/clip.mp4", method="HEAD")
        assert answer.headers["Content-Length"] == str((media_dir / "clip.mp4").stat().st_size)
        assert answer.read() == b""

    def test_a_connection_serves_many_requests(self, client: Client) -> None:
        client.read("/image.jpg")
        socket = client.connection.sock
        client.read("/audio.mp3")
        assert client.connection.sock is socket

    @pytest.mark.parametrize(
        "path", ["/nothing.mp4", "/hls/plain/none.ts", "/../etc/passwd", "/page/two/3", "/subs/xx.vtt"]
    )
    def test_anything_else_is_404(self, client: Client, path: str) -> None:
        assert client.get(path).status == 404

    def test_a_big_file_smaller_than_the_clip_is_refused(self, client: Client) -> None:
        assert client.get("/big/1000.mp4").status == 400

    def test_a_gigabyte_is_streamed_quickly(self, origin: Origin) -> None:
        began = time.monotonic()
        with urllib.request.urlopen(origin.url("/big/1000000000.mp4")) as answer:
            buffer = bytearray(1 << 20)
            received = 0
            while count := answer.readinto(buffer):
                received += count
        assert received == 1_000_000_000
        assert time.monotonic() - began < 5


class TestBehaviours:
    def test_slow_keeps_its_pace(self, client: Client) -> None:
        began = time.monotonic()
        client.read("/slow/50000/clip.mp4", Range="bytes=0-24999")
        assert 0.4 < time.monotonic() - began < 5

    def test_cut_closes_at_its_share_and_lets_a_resume_through(self, client: Client, origin: Origin) -> None:
        whole = origin.body("/clip.mp4")
        with pytest.raises(http.client.IncompleteRead) as caught:
            client.read("/cut/30/clip.mp4")
        assert caught.value.partial == whole[: len(whole) * 30 // 100]
        client.connection.close()
        assert (
            caught.value.partial + client.read("/cut/30/clip.mp4", Range=f"bytes={len(caught.value.partial)}-") == whole
        )

    def test_cutonce_cuts_the_first_reader_only(self, client: Client, origin: Origin) -> None:
        with pytest.raises(http.client.IncompleteRead):
            client.read("/cutonce/first-reader/50/clip.mp4")
        client.connection.close()
        deadline = time.monotonic() + 5
        while not origin.requests[0].is_finished and time.monotonic() < deadline:
            time.sleep(0.01)
        assert client.read("/cutonce/first-reader/50/clip.mp4") == origin.body("/clip.mp4")

    def test_stall_goes_silent_and_lets_nobody_past(self, origin: Origin) -> None:
        client = Client(origin.port)
        client.connection.timeout = 0.3
        position = len(origin.body("/clip.mp4")) // 2
        for start in (0, position - 10, position):
            answer = client.get("/stall/50/clip.mp4", Range=f"bytes={start}-")
            assert len(answer.read(position - start)) == position - start
            with pytest.raises(TimeoutError):
                answer.read(1)
            client.connection.close()
            answer.close()

    def test_stall_ends_when_the_client_leaves(self, origin: Origin) -> None:
        origin.clear()
        client = Client(origin.port)
        answer = client.get("/stall/0/clip.mp4")
        answer.close()
        client.connection.close()
        _wait_until(lambda: all(request.is_finished for request in origin.requests))

    @pytest.mark.parametrize("code", [403, 404, 410, 429, 451, 500, 503])
    def test_status_is_what_was_asked_for(self, client: Client, code: int) -> None:
        answer = client.get(f"/status/{code}/clip.mp4?retry_after=7")
        assert (answer.status, answer.headers["Retry-After"]) == (code, "7")

    def test_flaky_fails_as_often_as_asked(self, client: Client) -> None:
        statuses = []
        for _ in range(4):
            answer = client.get("/flaky/two-failures/2/503/image.jpg")
            answer.read()
            statuses.append(answer.status)
        assert statuses == [503, 503, 200, 200]

    def test_cut_at_the_last_byte_lacks_that_one(self, client: Client, origin: Origin) -> None:
        with pytest.raises(http.client.IncompleteRead) as caught:
            client.read("/cut/last/clip.mp4")
        assert caught.value.partial == origin.body("/clip.mp4")[:-1]

    def test_lie_promises_more_than_it_sends(self, client: Client, origin: Origin) -> None:
        with pytest.raises(http.client.IncompleteRead) as caught:
            client.read("/lie/1000/clip.mp4")
        assert caught.value.partial == origin.body("/clip.mp4")
        assert caught.value.expected == 1000

    def test_lie_promises_less_than_it_sends(self, client: Client, origin: Origin) -> None:
        size = len(origin.body("/clip.mp4"))
        assert len(client.read("/lie/-1000/clip.mp4")) == size - 1000
        _wait_until(lambda: origin.bytes_sent("/lie/-1000/clip.mp4") == size)

    def test_redirects_lead_on_with_their_query(self, client: Client) -> None:
        hops = ["/redirect/2/clip.mp4?latency_ms=1"]
        while location := client.get(hops[-1]).headers["Location"]:
            client.connection.close()
            hops.append(location)
        assert hops[1:] == ["/redirect/1/clip.mp4?latency_ms=1", "/clip.mp4?latency_ms=1"]

    def test_redirect_to_goes_anywhere(self, client: Client) -> None:
        answer = client.get("/redirect-to?url=http%3A%2F%2F169.254.169.254%2F&code=307")
        assert (answer.status, answer.headers["Location"]) == (307, "http://169.254.169.254/")

    @pytest.mark.parametrize(("prefix", "framing"), [("/chunked", "chunked"), ("/nolength", None)])
    def test_a_body_without_a_length_is_whole(self, client: Client, origin: Origin, prefix: str, framing: str) -> None:
        answer = client.get(f"{prefix}/clip.mp4", Range="bytes=5-")
        assert answer.status == 200
        assert answer.headers["Content-Length"] is None
        assert answer.headers["Transfer-Encoding"] == framing
        assert answer.read() == origin.body("/clip.mp4")

    def test_norange_answers_a_range_with_the_whole(self, client: Client, origin: Origin) -> None:
        assert client.read("/norange/clip.mp4", Range="bytes=5-") == origin.body("/clip.mp4")

    def test_a_prefix_meets_the_segments_and_not_the_playlist(self, origin: Origin, client: Client) -> None:
        assert client.read("/cut/50/hls/plain/high.m3u8").endswith(b"#EXT-X-ENDLIST\n")
        with pytest.raises(http.client.IncompleteRead):
            client.read("/cut/50/hls/plain/high-0.ts")

    def test_many_has_a_hundred_segments_that_wait_as_asked(self, origin: Origin, client: Client) -> None:
        playlist = client.read("/hls/many/index.m3u8?latency_ms=120").decode()
        segments = [line for line in playlist.splitlines() if line.endswith(".ts?latency_ms=120")]
        assert len(segments) == 100
        began = time.monotonic()
        client.read(f"/hls/many/{segments[0]}")
        assert 0.1 < time.monotonic() - began < 5

    def test_behaviours_combine(self, client: Client) -> None:
        with pytest.raises(http.client.IncompleteRead):
            client.read("/chunked/slow/900000/cut/10/clip.mp4")

    def test_a_cookie_is_asked_for(self, client: Client) -> None:
        path = "/needs-cookie/session/s3cret/image.jpg"
        assert client.get(path, Cookie="session=other").status == 403
        client.connection.close()
        assert client.get(path, Cookie="a=b; session=s3cret").status == 200

    @pytest.mark.parametrize(
        "path", ["/slow/fast/clip.mp4", "/cutonce/token", "/big/x.mp4", "/clip.mp4?latency_ms=soon"]
    )
    def test_nonsense_is_400(self, client: Client, path: str) -> None:
        assert client.get(path).status == 400


class TestHostile:
    def test_the_bomb_is_small_until_it_is_opened(self, client: Client) -> None:
        answer = client.get("/gzipbomb")
        body = answer.read()
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(body) < 200_000
        opened = zlib.decompressobj(16 + zlib.MAX_WBITS)
        size = len(opened.decompress(body, BOMB_BYTES // 2))
        while opened.unconsumed_tail:
            size += len(opened.decompress(opened.unconsumed_tail, BOMB_BYTES // 2))
        assert size >= BOMB_BYTES

    @pytest.mark.parametrize(
        ("path", "inside"),
        [
            ("/html-as.mp4", b"<script>"),
            ("/svg-as.mp4", b"<svg"),
            ("/playlist-as.mp4", b"#EXTM3U"),
            ("/playlist-as.mp4", b"file:///etc/passwd"),
        ],
    )
    def test_what_calls_itself_a_video_is_none(self, client: Client, path: str, inside: bytes) -> None:
        answer = client.get(path)
        assert answer.headers["Content-Type"] == "video/mp4"
        assert inside in answer.read()


class TestLog:
    def test_tells_who_asked_for_what_and_what_was_sent(self, client: Client, origin: Origin) -> None:
        client.read("/clip.mp4?a=1", Range="bytes=0-99", User_Agent="tester", Cookie="c=1", Referer="http://site.test/")
        (seen,) = origin.requests
        assert (seen.method, seen.path, seen.query, seen.status) == ("GET", "/clip.mp4", "a=1", 206)
        assert (seen.range, seen.user_agent, seen.cookie, seen.referer) == (
            "bytes=0-99",
            "tester",
            "c=1",
            "http://site.test/",
        )
        assert seen.bytes_sent == origin.bytes_sent("/clip.mp4") == 100
        assert abs(seen.at - time.time()) < 10

    def test_shows_a_request_that_is_still_being_answered(self, origin: Origin) -> None:
        origin.clear()
        client = Client(origin.port)
        answer = client.get("/stall/50/clip.mp4")
        _wait_until(lambda: origin.bytes_sent("/stall/50/clip.mp4") > 0)
        assert not origin.requests[0].is_finished
        answer.close()
        client.connection.close()

    def test_counts_no_body_for_head(self, client: Client, origin: Origin) -> None:
        client.get("/clip.mp4", method="HEAD").read()
        assert origin.bytes_sent("/clip.mp4") == 0

    def test_is_read_and_cleared_over_http_and_does_not_log_itself(self, client: Client) -> None:
        client.read("/image.jpg")
        assert [entry["path"] for entry in json.loads(client.read("/_log"))] == ["/image.jpg"]
        client.read("/_log/clear")
        assert json.loads(client.read("/_log")) == []


class TestLife:
    def test_stops_at_once_though_clients_wait(self) -> None:
        with Origin() as origin:
            clients = [Client(origin.port) for _ in range(3)]
            answers = [
                client.get(path)
                for client, path in zip(clients, ("/stall/0/clip.mp4", "/slow/10/clip.mp4", "/image.jpg"), strict=True)
            ]
            began = time.monotonic()
        assert time.monotonic() - began < 2
        assert not [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
        for client, answer in zip(clients, answers, strict=True):
            answer.close()
            client.connection.close()

    def test_runs_as_a_process_that_prints_its_address_first(self) -> None:
        command = [sys.executable, "-m", "tests.origin", "--port", "0"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                address = process.stdout.readline().strip()
                with urllib.request.urlopen(f"{address}clip.mp4") as answer:
                    answer.read()
                with urllib.request.urlopen(f"{address}_log") as answer:
                    logged = json.load(answer)
            finally:
                process.send_signal(signal.SIGTERM)
        assert process.returncode == 0
        assert [entry["path"] for entry in logged] == ["/clip.mp4"]


def _wait_until(condition: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)
