from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mediadl.asgi.deliveries import Deliveries
from mediadl.asgi.files import Files
from mediadl.asgi.reading import CHUNK_BYTES
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, Call, call, until
from tests.asgi.views import ETAG, LARGE, BuildFiles, DownloadView


def test_an_owner_may_have_so_many_open_and_no_more(files: BuildFiles) -> None:
    async def open_three() -> tuple[Answer, Answer, Answer, Answer]:
        shared = files(DownloadView("job/1/large.bin", X_Accel_Owner="ann"), max_streams_per_owner=2)
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
        view = DownloadView("job/1/large.bin", X_Accel_Owner="ann")
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


@pytest.fixture
def reports(files: BuildFiles) -> Callable[..., list[str]]:
    """The tokens that are reported while a file is fetched by these ranges, one after the other."""

    def fetch(*ranges: str, key: str = "job/1/a.mp4", method: str = "GET") -> list[str]:
        tokens: list[str] = []

        async def note(token: str) -> None:
            tokens.append(token)

        async def go() -> None:
            application = files(DownloadView(key, X_Accel_Token="t1"), when_sent=note)
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


def test_reports_nothing_of_a_download_that_broke_off(files: BuildFiles) -> None:
    reported: list[str] = []

    async def note(token: str) -> None:
        reported.append(token)

    async def leave() -> None:
        client = Call(files(DownloadView("job/1/large.bin", X_Accel_Token="t1"), when_sent=note), stall=7)
        task = client.start()
        await until(lambda: len(client.answer.body) == len(LARGE))
        client.leave()
        await task

    asyncio.run(leave())
    assert reported == []


def test_a_broken_download_and_what_completes_it_are_a_delivery(files: BuildFiles) -> None:
    reported: list[str] = []

    async def note(token: str) -> None:
        reported.append(token)

    async def leave_and_resume() -> None:
        application = files(DownloadView("job/1/large.bin", X_Accel_Token="t1"), when_sent=note)
        client = Call(application, stall=3)
        task = client.start()
        await until(lambda: len(client.answer.body) == 2 * CHUNK_BYTES)
        client.leave()
        await task
        assert reported == []
        await call(application, headers=[("Range", f"bytes={CHUNK_BYTES}-")])

    asyncio.run(leave_and_resume())
    assert reported == ["t1"]


def test_a_report_that_fails_does_not_touch_the_answer(files: BuildFiles) -> None:
    async def fail(token: str) -> None:
        raise ConnectionError(token)

    answer = asyncio.run(call(files(DownloadView("job/1/a.mp4", X_Accel_Token="t1"), when_sent=fail)))
    assert answer.is_complete
