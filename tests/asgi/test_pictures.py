"""Pictures of other sites: fetched through the real guard, and sent on when they are pictures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from mediadl.asgi.messages import Receive, Scope, Send
from mediadl.asgi.pictures import AT_ONCE_FOR_AN_OWNER, Fetcher, Picture, Pictures, Shelf, type_of
from tests.asgi.driver import Answer, Call, call
from tests.engine.guard.peers import guard_process
from tests.origin import Origin

JPEG = Picture(type=b"image/jpeg", data=b"\xff\xd8\xff\xe0")


@pytest.fixture(scope="module")
def guard() -> Iterator[str]:
    with guard_process(EGRESS_ALLOW="127.0.0.1") as running:
        yield f"http://127.0.0.1:{running.port}"


class View:
    """Names a picture for an owner, as Django does."""

    def __init__(self, url: str, owner: str = "ann") -> None:
        self.url = url
        self.owner = owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = {
            "Content-Type": "text/html",
            "Content-Length": "7",
            "Content-Security-Policy": "sandbox",
            "Cache-Control": "private, max-age=60",
            "X-Request-ID": "r-1",
            "X-Accel-Picture": quote(self.url, safe=""),
            "X-Accel-Owner": self.owner,
        }
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})
        await send({"type": "http.response.body", "body": b"ignored"})


def fetch(guard: str, url: str, *, seconds: float = 5) -> Picture | None:
    async def once() -> Picture | None:
        async with fetching(guard, seconds=seconds) as fetcher:
            return await fetcher(url)

    return asyncio.run(once())


@contextlib.asynccontextmanager
async def fetching(guard: str, *, seconds: float = 5) -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(guard, seconds=seconds)
    try:
        yield fetcher
    finally:
        await fetcher.close()


def answer_to(guard: str, url: str) -> Answer:
    async def once() -> Answer:
        async with fetching(guard) as fetcher:
            return await call(Pictures(View(url), fetch=fetcher))

    return asyncio.run(once())


def test_sends_a_picture_under_the_headers_of_the_answer(guard: str, origin: Origin) -> None:
    answer = answer_to(guard, origin.url("/image.jpg?a=1&b=%20"))
    assert answer.status == 200
    assert answer.body.startswith(b"\xff\xd8\xff")
    assert answer.headers == {
        "content-security-policy": "sandbox",
        "cache-control": "private, max-age=60",
        "x-request-id": "r-1",
        "content-type": "image/jpeg",
        "content-length": str(len(answer.body)),
    }


def test_says_that_there_is_none(guard: str, origin: Origin) -> None:
    answer = answer_to(guard, origin.url("/nowhere.jpg"))
    assert (answer.status, json.loads(answer.body)["code"]) == (404, "not_found")
    assert answer.headers["cache-control"] == "no-store"
    assert not [name for name in answer.headers if name.startswith("x-accel")]


def test_follows_a_few_redirects(guard: str, origin: Origin) -> None:
    assert fetch(guard, origin.url("/redirect/2/image.jpg"))
    assert fetch(guard, origin.url("/redirect/9/image.jpg")) is None
    assert fetch(guard, origin.url("/redirect-to?url=ftp%3A%2F%2Fold.example%2F")) is None


@pytest.mark.parametrize(
    "path",
    ["/svg-as.mp4", "/html-as.mp4", "/clip.mp4", "/gzipbomb", "/big/2500000.mp4", "/status/500/image.jpg", "/lie/9/x"],
)
def test_refuses_what_is_no_picture_of_a_bounded_size(guard: str, origin: Origin, path: str) -> None:
    assert fetch(guard, origin.url(path)) is None


def test_waits_for_a_bounded_time(guard: str, origin: Origin) -> None:
    assert fetch(guard, origin.url("/stall/50/image.jpg"), seconds=0.5) is None


def test_goes_through_the_guard_and_no_other_way(guard: str, origin: Origin) -> None:
    with guard_process() as closed:
        assert fetch(f"http://127.0.0.1:{closed.port}", origin.url("/image.jpg")) is None
    assert fetch(guard, "http://10.0.0.1/image.jpg") is None
    assert fetch("", origin.url("/image.jpg")) is None


@pytest.mark.parametrize("url", ["", "nonsense", "file:///etc/passwd", "http://[::1", "http://\x00/", "https://x" * 99])
def test_refuses_what_is_no_address(guard: str, url: str) -> None:
    assert fetch(guard, url) is None


def test_tells_a_site_nothing_that_another_person_was_given_by_it(guard: str) -> None:
    told: list[str | None] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers["Cookie"])
            self.send_response(200)
            self.send_header("Set-Cookie", "who=ann; Path=/")
            self.send_header("Content-Length", str(len(JPEG.data)))
            self.end_headers()
            self.wfile.write(JPEG.data)

        def log_message(self, *_: object) -> None:
            pass

    async def twice(url: str) -> None:
        async with fetching(guard) as fetcher:
            assert await fetcher(url) == await fetcher(url) == JPEG

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        asyncio.run(twice(f"http://127.0.0.1:{site.server_port}/"))
        site.shutdown()
    assert told == [None, None]


def test_keeps_a_picture_for_its_owner_alone() -> None:
    fetched: list[str] = []

    async def note(url: str) -> Picture:
        fetched.append(url)
        return JPEG

    async def three() -> None:
        view = View("https://a.example/1.jpg")
        pictures = Pictures(view, fetch=note)
        for owner in ("ann", "ann", "bob"):
            view.owner = owner
            assert (await call(pictures)).body == JPEG.data

    asyncio.run(three())
    assert len(fetched) == 2


def test_one_owner_does_not_keep_the_others_waiting() -> None:
    async def crowd() -> Answer:
        free, begun = asyncio.Event(), []

        async def slow(url: str) -> Picture:
            begun.append(url)
            if "slow" in url:
                await free.wait()
            return JPEG

        view = View("")
        pictures = Pictures(view, fetch=slow)
        tasks = []
        for number in range(50):
            view.url = f"https://slow.example/{number}"
            tasks.append(Call(pictures).start())
            await asyncio.sleep(0)
        view.url, view.owner = "https://quick.example/", "bob"
        answer = await call(pictures)
        assert len(begun) == AT_ONCE_FOR_AN_OWNER + 1
        free.set()
        await asyncio.gather(*tasks)
        return answer

    assert asyncio.run(crowd()).status == 200


def test_the_shelf_is_bounded_and_forgets() -> None:
    shelf = Shelf(10, 60)
    for number in range(4):
        shelf.put(("ann", str(number)), JPEG)
    assert [shelf.get(("ann", str(number))) is not None for number in range(4)] == [False, False, True, True]
    shelf.put(("ann", "3"), JPEG)
    assert shelf.get(("ann", "2"))
    stale = Shelf(10, -1)
    stale.put(("ann", "1"), JPEG)
    assert stale.get(("ann", "1")) is None


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", b"image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", b"image/png"),
        (b"GIF89a", b"image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBP", b"image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"<svg xmlns=", None),
        (b"", None),
    ],
)
def test_knows_pictures_by_their_first_bytes(head: bytes, kind: bytes | None) -> None:
    assert type_of(head) == kind
