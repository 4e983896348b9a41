from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mediadl.asgi.deliveries import Deliveries
from mediadl.asgi.files import Files
from mediadl.asgi.messages import Application, Receive, Scope, Send
from mediadl.asgi.reading import CHUNK_BYTES
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, Call, call
from tests.asgi.handles import open_handles

CONTENT = bytes(range(256)) * 40
LARGE = os.urandom(5 * CHUNK_BYTES + 17)
ETAG = '"v1"'
MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"


class Django:
    """Answers as a download view does: every header of the file, and a body that must not be seen."""

    def __init__(self, key: str, *, status: int = 200, **more: str) -> None:
        self.status = status
        self.headers = {
            "Content-Type": "video/mp4",
            "Content-Length": "7",
            "Content-Disposition": 'attachment; filename="a.mp4"',
            "Content-Security-Policy": "sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private",
            "ETag": ETAG,
            "Last-Modified": MODIFIED,
            "X-Request-ID": "request-1",
            "X-Accel-Redirect": f"/_protected/{key}",
            **{name.replace("_", "-"): value for name, value in more.items()},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"ignored"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "files"
    (root / "job/1").mkdir(parents=True)
    (root / "job/1/a.mp4").write_bytes(CONTENT)
    (root / "job/1/large.bin").write_bytes(LARGE)
    (root / "job/1/empty").write_bytes(b"")
    (root / "job/1/Übergröße ☃ 50%.mp4").write_bytes(b"unicode")
    (tmp_path / "secret").write_bytes(b"secret")
    return root


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2, name="test-file")
    yield threads
    threads.close()


Build = Callable[..., Files]


@pytest.fixture
def files(root: Path, threads: Threads) -> Build:
    def build(application: Application, **options: Any) -> Files:
        return Files(application, root=root, threads=threads, **{"max_streams_per_owner": 2, **options})

    return build


@pytest.fixture
def get(files: Build) -> Callable[..., Answer]:
    """The answer to one request for a file, whose view sends `view` as well."""

    def get(
        key: str = "job/1/a.mp4", method: str = "GET", *, view: dict[str, Any] | None = None, **request: str
    ) -> Answer:
        headers = [(name.replace("_", "-"), value) for name, value in request.items()]
        return asyncio.run(call(files(Django(key, **(view or {}))), method=method, headers=headers))

    return get


Get = Callable[..., Answer]


def test_sends_the_file_with_the_headers_of_the_view(get: Get) -> None:
    answer = get()
    assert (answer.status, answer.body, answer.is_complete) == (200, CONTENT, True)
    assert answer.headers == {
        "content-type": "video/mp4",
        "content-disposition": 'attachment; filename="a.mp4"',
        "content-security-policy": "sandbox",
        "x-content-type-options": "nosniff",
        "cache-control": "private",
        "etag": ETAG,
        "last-modified": MODIFIED,
        "x-request-id": "request-1",
        "accept-ranges": "bytes",
        "content-length": str(len(CONTENT)),
    }


def test_sends_a_file_of_many_chunks(get: Get) -> None:
    assert get("job/1/large.bin").body == LARGE


def test_sends_an_empty_file(get: Get) -> None:
    answer = get("job/1/empty")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, 1),
        (CHUNK_BYTES - 1, CHUNK_BYTES + 1),
        (CHUNK_BYTES, 2 * CHUNK_BYTES),
        (17, len(LARGE)),
        (len(LARGE) - 1, len(LARGE)),
    ],
)
def test_sends_exactly_the_range(get: Get, start: int, end: int) -> None:
    answer = get("job/1/large.bin", range=f"bytes={start}-{end - 1}")
    assert (answer.status, answer.body) == (206, LARGE[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(LARGE)}"
    assert answer.headers["content-length"] == str(end - start)


def test_resumes_only_the_same_file(get: Get) -> None:
    assert get(range="bytes=100-", if_range=ETAG).body == CONTENT[100:]
    assert get(range="bytes=100-", if_range='"v0"').body == CONTENT


def test_head_says_what_get_would_without_the_bytes(get: Get) -> None:
    answer = get(method="HEAD")
    assert (answer.status, answer.body, answer.is_complete) == (200, b"", True)
    assert answer.headers == get().headers


def test_a_client_that_has_the_file_is_sent_nothing(get: Get) -> None:
    answer = get(if_none_match=ETAG)
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == ETAG
    assert answer.headers["cache-control"] == "private"
    assert not {"content-length", "content-type", "content-disposition"} & answer.headers.keys()


@pytest.mark.parametrize(
    ("request_headers", "status", "code"),
    [({"if_match": '"v0"'}, 412, "precondition_failed"), ({"range": "bytes=99999-"}, 416, "range_not_satisfiable")],
)
def test_refusals_are_problem_documents(get: Get, request_headers: dict[str, str], status: int, code: str) -> None:
    answer = get(**request_headers)
    problem = json.loads(answer.body)
    assert answer.status == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert problem["code"] == problem["error"]["code"] == code
    assert problem["request_id"] == answer.headers["x-request-id"] == "request-1"
    assert not {"content-disposition", "etag"} & answer.headers.keys()


def test_a_range_beyond_the_end_is_told_the_size(get: Get) -> None:
    assert get(range="bytes=99999-").headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_finds_files_whose_names_are_percent_encoded(get: Get) -> None:
    assert get(quote("job/1/Übergröße ☃ 50%.mp4")).body == b"unicode"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        ".",
        "..",
        "../secret",
        "job/../../secret",
        "job/1/../1/a.mp4",
        "%2e%2e/secret",
        "..%2fsecret",
        "job%2f..%2f..%2fsecret",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "job//1/a.mp4",
        "job/./1/a.mp4",
        "job/1/a.mp4/",
        "job/1/a.mp4/x",
        "job/1/a.mp4%00.txt",
        "%00",
        "job",
        "job/1",
        "gone",
        "job/1/" + "x" * 300,
        "x/" * 3000,
        "link",
        "linked/secret",
        "inside",
        "socket",
        "fifo",
        "%ff%fe",
    ],
)
def test_no_key_leads_out_of_the_root_or_to_what_is_no_file(root: Path, get: Get, key: str) -> None:
    (root / "link").symlink_to(root.parent / "secret")
    (root / "linked").symlink_to(root.parent)
    (root / "inside").symlink_to(root / "job/1/a.mp4")
    os.mkfifo(root / "fifo")
    answer = get(key)
    assert answer.status == 404
    assert json.loads(answer.body)["code"] == "not_found"
    assert answer.headers["cache-control"] == "no-store"
    assert open_handles(root) == []


def test_the_root_itself_may_be_a_symlink(root: Path, threads: Threads) -> None:
    (root.parent / "mount").symlink_to(root)
    files = Files(Django("job/1/a.mp4"), root=root.parent / "mount", threads=threads, max_streams_per_owner=1)
    assert asyncio.run(call(files)).body == CONTENT


def test_storage_that_cannot_be_read_is_an_answer_and_not_a_crash(
    root: Path, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "denied")

    monkeypatch.setattr("mediadl.asgi.reading.os.open", refuse)
    answer = get()
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")


@pytest.mark.parametrize(
    ("method", "status", "more"),
    [("POST", 200, {}), ("GET", 404, {}), ("GET", 304, {}), ("GET", 200, {"X_Accel_Redirect": "/elsewhere/a"})],
)
def test_other_answers_pass(files: Build, method: str, status: int, more: dict[str, str]) -> None:
    answer = asyncio.run(call(files(Django("job/1/a.mp4", status=status, **more)), method=method))
    assert (answer.status, answer.body) == (status, b"ignored")


def test_leaves_the_redirect_to_nginx_when_told_to(files: Build) -> None:
    answer = asyncio.run(call(files(Django("job/1/a.mp4"), is_passed_through=True)))
    assert (answer.body, answer.headers["x-accel-redirect"]) == (b"ignored", "/_protected/job/1/a.mp4")


def test_a_client_that_leaves_ends_the_reading_and_leaves_no_handle(root: Path, files: Build) -> None:
    async def leave_while_stalled() -> Call:
        client = Call(files(Django("job/1/large.bin")), stall=2)
        task = client.start()
        await until(lambda: len(open_handles(root)) == 1 and len(client.answer.body) == CHUNK_BYTES)
        client.leave()
        await asyncio.wait_for(task, 2)
        return client

    client = asyncio.run(leave_while_stalled())
    assert len(client.answer.body) == CHUNK_BYTES
    assert not client.answer.is_complete
    assert open_handles(root) == []


def test_a_client_that_stops_reading_is_cut_off(root: Path, files: Build) -> None:
    async def stall() -> Call:
        client = Call(files(Django("job/1/large.bin"), send_timeout=0.1), stall=2)
        await asyncio.wait_for(client.run(), 2)
        return client

    client = asyncio.run(stall())
    assert client.is_aborted
    assert not client.answer.is_complete
    assert open_handles(root) == []


def test_a_cancelled_download_leaves_no_handle(root: Path, files: Build) -> None:
    async def cancel() -> None:
        task = Call(files(Django("job/1/large.bin")), stall=2).start()
        await until(lambda: len(open_handles(root)) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert open_handles(root) == []


def test_a_file_that_shrinks_meanwhile_is_cut_off_and_not_ended(root: Path, files: Build) -> None:
    async def shrink() -> Call:
        client = Call(files(Django("job/1/large.bin")), stall=2)
        task = client.start()
        await until(lambda: len(client.answer.body) == CHUNK_BYTES)
        os.truncate(root / "job/1/large.bin", CHUNK_BYTES + 10)
        client.resume()
        await asyncio.wait_for(task, 2)
        return client

    client = asyncio.run(shrink())
    assert client.is_aborted
    assert not client.answer.is_complete


def test_a_file_deleted_meanwhile_is_sent_to_its_end(root: Path, files: Build) -> None:
    async def delete() -> Answer:
        client = Call(files(Django("job/1/large.bin")))
        task = client.start()
        await client.until(LARGE[:10])
        (root / "job/1/large.bin").unlink()
        return await task

    assert asyncio.run(delete()).body == LARGE


def test_an_owner_may_have_so_many_open_and_no_more(files: Build) -> None:
    async def open_three() -> tuple[Answer, Answer, Answer, Answer]:
        shared = files(Django("job/1/large.bin", X_Accel_Owner="ann"), max_streams_per_owner=2)
        held = [Call(shared, stall=2) for _ in range(2)]
        tasks = [client.start() for client in held]
        for client in held:
            await client.until(LARGE[:10])
        refused = await call(shared)
        head = await call(shared, method="HEAD")
        fresh = await call(shared, headers=[("If-None-Match", ETAG)])
        held[0].leave()
        await tasks[0]
        allowed = await call(shared)
        held[1].leave()
        await tasks[1]
        return refused, head, fresh, allowed

    refused, head, fresh, allowed = asyncio.run(open_three())
    assert (refused.status, refused.headers["retry-after"]) == (429, "10")
    assert json.loads(refused.body)["code"] == "too_many_streams"
    assert (head.status, fresh.status, allowed.status) == (200, 304, 200)
    assert "x-accel-owner" not in allowed.headers


def test_owners_do_not_count_for_each_other(root: Path, threads: Threads) -> None:
    async def ann_and_bob() -> int:
        view = Django("job/1/large.bin", X_Accel_Owner="ann")
        shared = Files(view, root=root, threads=threads, max_streams_per_owner=1)
        client = Call(shared, stall=2)
        task = client.start()
        await client.until(LARGE[:10])
        view.headers["X-Accel-Owner"] = "bob"
        status = (await call(shared)).status
        client.leave()
        await task
        return status

    assert asyncio.run(ann_and_bob()) == 200


async def until(is_true: Callable[[], bool], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@pytest.fixture
def reports(files: Build) -> Callable[..., list[str]]:
    """The tokens that are reported while a file is fetched by these ranges, one after the other."""

    def fetch(*ranges: str, key: str = "job/1/a.mp4", method: str = "GET") -> list[str]:
        tokens: list[str] = []

        async def note(token: str) -> None:
            tokens.append(token)

        async def go() -> None:
            application = files(Django(key, X_Accel_Token="t1"), when_sent=note)
            for value in ranges:
                answer = await call(application, method=method, headers=[("Range", value)] if value else [])
                assert "x-accel-token" not in answer.headers

        asyncio.run(go())
        return tokens

    return fetch


Reports = Callable[..., list[str]]


@pytest.mark.parametrize(
    "ranges",
    [
        [""],
        ["bytes=0-"],
        ["bytes=0-99", "bytes=100-"],
        ["bytes=100-", "bytes=0-99"],
        ["bytes=-5", "bytes=0-500", "bytes=400-"],
        ["bytes=0-0,9999999-", "bytes=1-"],
    ],
)
def test_reports_the_token_when_every_byte_has_gone_out(reports: Reports, ranges: list[str]) -> None:
    assert reports(*ranges) == ["t1"]


@pytest.mark.parametrize("ranges", [["bytes=-5"], ["bytes=100-"], ["bytes=0-99", "bytes=101-"], ["bytes=99999-"]])
def test_reports_nothing_while_a_byte_is_missing(reports: Reports, ranges: list[str]) -> None:
    """As when a player looks at the end of a film first."""
    assert reports(*ranges) == []


def test_a_look_without_the_bytes_is_no_delivery(reports: Reports) -> None:
    assert reports("", method="HEAD") == []


def test_every_full_delivery_is_reported(reports: Reports) -> None:
    assert reports("", "bytes=0-99", "") == ["t1", "t1"]


def test_an_empty_file_can_be_delivered(reports: Reports) -> None:
    assert reports("", key="job/1/empty") == ["t1"]


def test_remembers_a_bounded_number_of_deliveries() -> None:
    deliveries = Deliveries()
    for number in range(5000):
        deliveries.add(f"t{number}", 10, (0, 5))
        deliveries.add("many", 10_000, (2 * number, 2 * number + 1))
    assert len(deliveries._parts) <= 1025
    assert all(len(parts) <= 64 for parts in deliveries._parts.values())


def test_what_is_not_in_memory_is_read_by_a_thread(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mediadl.asgi.reading._is_in_memory", lambda *_: False)
    assert get("job/1/large.bin").body == LARGE


def test_reports_nothing_of_a_download_that_broke_off(files: Build) -> None:
    reported: list[str] = []

    async def note(token: str) -> None:
        reported.append(token)

    async def leave() -> None:
        client = Call(files(Django("job/1/large.bin", X_Accel_Token="t1"), when_sent=note), stall=7)
        task = client.start()
        await until(lambda: len(client.answer.body) == len(LARGE))
        client.leave()
        await task

    asyncio.run(leave())
    assert reported == []


def test_a_broken_download_and_what_completes_it_are_a_delivery(files: Build) -> None:
    reported: list[str] = []

    async def note(token: str) -> None:
        reported.append(token)

    async def leave_and_resume() -> None:
        application = files(Django("job/1/large.bin", X_Accel_Token="t1"), when_sent=note)
        client = Call(application, stall=3)
        task = client.start()
        await until(lambda: len(client.answer.body) == 2 * CHUNK_BYTES)
        client.leave()
        await task
        assert reported == []
        await call(application, headers=[("Range", f"bytes={CHUNK_BYTES}-")])

    asyncio.run(leave_and_resume())
    assert reported == ["t1"]


def test_a_report_that_fails_does_not_touch_the_answer(files: Build) -> None:
    async def fail(token: str) -> None:
        raise ConnectionError(token)

    answer = asyncio.run(call(files(Django("job/1/a.mp4", X_Accel_Token="t1"), when_sent=fail)))
    assert answer.is_complete
