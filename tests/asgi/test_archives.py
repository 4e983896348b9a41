from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mediadl.asgi.archives import Archives
from mediadl.asgi.messages import Receive, Scope, Send
from mediadl.asgi.reading import CHUNK_BYTES
from mediadl.asgi.shelves import Directory
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, Call, call, until
from tests.asgi.handles import open_handles
from tests.asgi.views import CONTENT, LARGE

pytestmark = pytest.mark.promise("P14")

Plan = list[Any]
WHOLE = b"head" + CONTENT + b"between" + LARGE + b"end"
ETAG = '"plan-1"'


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def plan(token: str | None = None) -> Plan:
    files = [["job/1/a.mp4", len(CONTENT), token], ["job/1/large.bin", len(LARGE), None]]
    return [text(b"head"), files[0], text(b"between"), files[1], text(b"end")]


class ArchiveView:
    def __init__(self, plan: Plan, **more: str) -> None:
        self.plan = plan
        self.more = {name.replace("_", "-"): value for name, value in more.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        sizes = [len(base64.b64decode(part)) if isinstance(part, str) else part[1] for part in self.plan]
        body = json.dumps(self.plan).encode()
        headers = {
            "Content-Type": "application/zip",
            "Content-Length": str(len(body)),
            "ETag": ETAG,
            "X-Accel-Segments": str(sum(sizes)),
            **self.more,
        }
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": body[:10], "more_body": True})
            await send({"type": "http.response.body", "body": body[10:]})


@pytest.fixture
def build(root: Path, threads: Threads) -> Any:
    def build(wanted: Plan | None = None, **options: Any) -> Archives:
        view = ArchiveView(wanted or plan(), **options.pop("view", {}))
        return Archives(view, shelf=Directory(root, threads), **{"max_streams_per_owner": 2, **options})

    return build


@pytest.fixture
def get(build: Any, root: Path) -> Any:
    def get(wanted: Plan | None = None, method: str = "GET", **request: str) -> Answer:
        headers = [(name.replace("_", "-"), value) for name, value in request.items()]
        answer = asyncio.run(call(build(wanted), method=method, headers=headers))
        assert open_handles(root) == []
        return answer

    return get


def test_sends_bytes_and_files_as_one(get: Any) -> None:
    answer = get()
    assert (answer.status, answer.body, answer.is_complete) == (200, WHOLE, True)
    assert answer.headers == {
        "content-type": "application/zip",
        "etag": ETAG,
        "accept-ranges": "bytes",
        "content-length": str(len(WHOLE)),
    }


def test_says_how_large_it_is_without_sending_it(get: Any) -> None:
    answer = get(method="HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", str(len(WHOLE)))


BOUNDARIES = [0, 4, 4 + len(CONTENT), 11 + len(CONTENT), CHUNK_BYTES, len(WHOLE) - 3, len(WHOLE)]
CUTS = sorted({max(0, min(place + shift, len(WHOLE))) for place in BOUNDARIES for shift in (-1, 0, 1)})


@pytest.mark.parametrize("first", CUTS[:-1])
def test_sends_exactly_the_range(get: Any, first: int) -> None:
    for last in (first + 1, next(cut for cut in CUTS if cut > first), len(WHOLE)):
        check_range(get, first, last)


def check_range(get: Any, first: int, last: int) -> None:
    answer = get(range=f"bytes={first}-{last - 1}", if_range=ETAG)
    assert (answer.status, answer.body) == (206, WHOLE[first:last])
    assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(WHOLE)}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_none_match": ETAG}, 304),
        ({"if_match": '"other"'}, 412),
        ({"range": f"bytes={len(WHOLE)}-"}, 416),
        ({"range": "bytes=0-1", "if_range": '"other"'}, 200),
    ],
)
def test_keeps_to_the_conditions(get: Any, headers: dict[str, str], status: int) -> None:
    assert get(**headers).status == status


def test_passes_other_answers_on(root: Path, threads: Threads) -> None:
    async def view(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 404, "headers": [(b"x-accel-segments", b"5")]})
        await send({"type": "http.response.body", "body": b"[]"})

    layer = Archives(view, shelf=Directory(root, threads), max_streams_per_owner=1)
    answer = asyncio.run(call(layer))
    assert (answer.status, answer.body) == (404, b"[]")


@pytest.mark.parametrize("wanted", [["job/1/gone", 5, None], ["job/1/a.mp4", 5, None], ["../secret", 6, None]])
def test_a_file_that_has_just_gone_is_said_before_anything_is_sent(get: Any, wanted: list[Any]) -> None:
    answer = get([text(b"head"), wanted])
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "archive_changed")
    assert "etag" not in answer.headers


def test_a_file_that_goes_in_the_middle_is_still_sent_if_it_is_open(build: Any, root: Path) -> None:
    async def scenario() -> Answer:
        download = Call(build(), stall=3)
        running = download.start()
        await until(lambda: bool(download.answer.body))
        (root / "job/1/large.bin").unlink()
        download.resume()
        return await running

    answer = asyncio.run(scenario())
    assert (answer.body, answer.is_complete) == (WHOLE, True)


def test_a_file_that_went_before_its_turn_breaks_the_transfer_off(
    build: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Directory, "opened_ahead", 1)

    async def scenario() -> Call:
        download = Call(build(), stall=2)
        running = download.start()
        await until(lambda: bool(download.answer.body))
        (root / "job/1/large.bin").unlink()
        download.resume()
        await running
        return download

    download = asyncio.run(scenario())
    assert download.is_aborted, "what is not whole must not look whole"
    assert not download.answer.is_complete
    assert open_handles(root) == []


def test_an_owner_has_only_so_many_at_once(build: Any, root: Path) -> None:
    layer = build(view={"x_accel_owner": "someone"}, max_streams_per_owner=1)

    async def scenario() -> Answer:
        first = Call(layer, stall=2)
        running = first.start()
        await until(lambda: bool(first.answer.body))
        refused = await call(layer)
        first.leave()
        await running
        return refused

    assert asyncio.run(scenario()).status == 429
    assert open_handles(root) == []


def test_tells_of_a_file_with_a_token_once_the_whole_has_been_fetched(build: Any) -> None:
    told: list[str] = []

    async def sent(token: str) -> None:
        told.append(token)

    layer = build(plan(token="file-1"), when_sent=sent)

    async def scenario() -> None:
        await call(layer, headers=[("Range", "bytes=0-99")])
        assert told == []
        await call(layer, headers=[("Range", "bytes=100-")])

    asyncio.run(scenario())
    assert told == ["file-1"]
