from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest

from mediadl.asgi.files import Files
from mediadl.asgi.reading import CHUNK_BYTES
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, Call, call, until
from tests.asgi.handles import open_handles
from tests.asgi.views import CONTENT, ETAG, LARGE, MODIFIED, BuildFiles, DownloadView, Get


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
    files = Files(DownloadView("job/1/a.mp4"), root=root.parent / "mount", threads=threads, max_streams_per_owner=1)
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
def test_other_answers_pass(files: BuildFiles, method: str, status: int, more: dict[str, str]) -> None:
    answer = asyncio.run(call(files(DownloadView("job/1/a.mp4", status=status, **more)), method=method))
    assert (answer.status, answer.body) == (status, b"ignored")


def test_leaves_the_redirect_to_nginx_when_told_to(files: BuildFiles) -> None:
    answer = asyncio.run(call(files(DownloadView("job/1/a.mp4"), is_passed_through=True)))
    assert (answer.body, answer.headers["x-accel-redirect"]) == (b"ignored", "/_protected/job/1/a.mp4")


def test_sends_itself_what_has_a_token_since_nginx_gives_none_back(root: Path, files: BuildFiles) -> None:
    view = DownloadView("job/1/a.mp4", X_Accel_Token="t")
    answer = asyncio.run(call(files(view, is_passed_through=True)))
    assert answer.body == (root / "job/1/a.mp4").read_bytes()


def test_a_client_that_leaves_ends_the_reading_and_leaves_no_handle(root: Path, files: BuildFiles) -> None:
    async def leave_while_stalled() -> Call:
        client = Call(files(DownloadView("job/1/large.bin")), stall=2)
        task = client.start()
        await until(lambda: len(open_handles(root)) == 1 and len(client.answer.body) == CHUNK_BYTES)
        client.leave()
        await asyncio.wait_for(task, 2)
        return client

    client = asyncio.run(leave_while_stalled())
    assert len(client.answer.body) == CHUNK_BYTES
    assert not client.answer.is_complete
    assert open_handles(root) == []


def test_a_client_that_stops_reading_is_cut_off(root: Path, files: BuildFiles) -> None:
    async def stall() -> Call:
        client = Call(files(DownloadView("job/1/large.bin"), send_timeout=0.1), stall=2)
        await asyncio.wait_for(client.run(), 2)
        return client

    client = asyncio.run(stall())
    assert client.is_aborted
    assert not client.answer.is_complete
    assert open_handles(root) == []


def test_a_cancelled_download_leaves_no_handle(root: Path, files: BuildFiles) -> None:
    async def cancel() -> None:
        download = Call(files(DownloadView("job/1/large.bin")), stall=2)
        task = download.start()
        await until(lambda: bool(download.answer.body))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert open_handles(root) == []


def test_a_file_that_shrinks_meanwhile_is_cut_off_and_not_ended(root: Path, files: BuildFiles) -> None:
    async def shrink() -> Call:
        client = Call(files(DownloadView("job/1/large.bin")), stall=2)
        task = client.start()
        await until(lambda: len(client.answer.body) == CHUNK_BYTES)
        os.truncate(root / "job/1/large.bin", CHUNK_BYTES + 10)
        client.resume()
        await asyncio.wait_for(task, 2)
        return client

    client = asyncio.run(shrink())
    assert client.is_aborted
    assert not client.answer.is_complete


def test_a_file_deleted_meanwhile_is_sent_to_its_end(root: Path, files: BuildFiles) -> None:
    async def delete() -> Answer:
        client = Call(files(DownloadView("job/1/large.bin")))
        task = client.start()
        await client.until(LARGE[:10])
        (root / "job/1/large.bin").unlink()
        return await task

    assert asyncio.run(delete()).body == LARGE


def test_what_is_not_in_memory_is_read_by_a_thread(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mediadl.asgi.reading._is_in_memory", lambda *_: False)
    assert get("job/1/large.bin").body == LARGE
