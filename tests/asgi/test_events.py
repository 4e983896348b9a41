from __future__ import annotations

import asyncio
import logging

import pytest

from mediadl.asgi.hub import render
from mediadl.asgi.messages import Receive, Scope, Send
from tests.asgi.driver import call, until
from tests.asgi.source import Message
from tests.asgi.streaming import Run, Served
from tests.asgi.views import EventsView


def test_a_stream_begins_with_how_things_stand_and_goes_on_with_what_happens(run: Run) -> None:
    async def test(served: Served) -> None:
        served.source.add("job", "10 %")
        client = served.open()
        await client.until(b"10 %")
        served.source.add("other", "not for us")
        served.source.add("job", "20 %", event="progress")
        body = await client.until(b"20 %\n\n")
        assert body == (
            b"retry: 2000\n\n"
            b"id: 1\nevent: snapshot\ndata: 10 %\n\n"
            b"id: 3\nevent: progress\ndata: 20 %\n\n"
        )  # fmt: skip
        assert client.answer.status == 200
        assert client.answer.headers == {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache, no-transform",
            "x-accel-buffering": "no",
            "x-request-id": "r-1",
        }

    run(test)


def test_a_reconnecting_client_gets_what_it_missed(run: Run) -> None:
    async def test(served: Served) -> None:
        for percent in (10, 20, 30):
            served.source.add("job", f"{percent} %")
        client = served.open(headers=[("Last-Event-ID", "1")])
        body = await client.until(b"30 %\n\n")
        assert body == b"retry: 2000\n\nid: 2\ndata: 20 %\n\nid: 3\ndata: 30 %\n\n"
        served.source.add("job", "40 %")
        assert (await client.until(b"40 %\n\n")).count(b"30 %") == 1

    run(test)


@pytest.mark.parametrize("last_event_id", ["1", "unknown", "x" * 10_000, ""])
def test_a_client_that_was_away_too_long_gets_how_things_stand(run: Run, last_event_id: str) -> None:
    async def test(served: Served) -> None:
        for percent in (10, 20, 30):
            served.source.add("job", f"{percent} %")
        served.source.resumes_from = 2
        client = served.open(headers=[("Last-Event-ID", last_event_id)])
        assert b"event: snapshot\ndata: 30 %" in await client.until(b"30 %\n\n")

    run(test)


def test_what_is_polled_again_is_not_sent_again(run: Run) -> None:
    async def test(served: Served) -> None:
        first = served.open()
        await first.until(b"snapshot")
        served.hub._interval = 0.2
        await asyncio.sleep(0.05)
        served.source.add("job", "10 %")
        second = served.open(headers=[("Last-Event-ID", "0")])
        await second.until(b"10 %")
        assert b"10 %" not in first.answer.body
        await first.until(b"10 %")
        await asyncio.sleep(0.05)
        assert second.answer.body.count(b"10 %") == 1

    run(test)


def test_the_source_is_asked_only_while_somebody_listens(run: Run) -> None:
    async def test(served: Served) -> None:
        await asyncio.sleep(0.05)
        assert served.source.calls == []
        client = served.open()
        await until(lambda: served.source.calls.count("poll job") > 2)
        client.leave()
        await until(lambda: served.hub.listener_count == 0)
        await asyncio.sleep(0.05)
        count = len(served.source.calls)
        await asyncio.sleep(0.08)
        assert len(served.source.calls) == count
        again = served.open()
        await again.until(b"snapshot")

    run(test)


def test_one_poll_and_one_thread_serve_every_stream(run: Run) -> None:
    async def test(served: Served) -> None:
        clients = [served.open(f"/job-{n % 2}") for n in range(20)]
        for client in clients:
            await client.until(b"snapshot")
        served.source.add("job-0", "news")
        served.source.add("job-1", "news")
        for client in clients:
            await client.until(b"news")
        polls = [made for made in served.source.calls if made.startswith("poll")]
        assert set(polls) == {"poll job-0 job-1"}
        assert len(served.source.threads) == 1

    run(test)


def test_those_who_want_the_same_share_a_snapshot(run: Run) -> None:
    async def test(served: Served) -> None:
        clients = [served.open() for _ in range(20)]
        for client in clients:
            await client.until(b"snapshot")
        assert served.source.calls.count("snapshot job None") == 1

    run(test)


def test_a_silent_stream_has_a_heart_that_beats(run: Run) -> None:
    async def test(served: Served) -> None:
        client = served.open(application=served.application(heartbeat=0.03))
        await client.until(b":\n\n:\n\n")

    run(test)


def test_a_stream_ends_when_its_time_is_over(run: Run) -> None:
    async def test(served: Served) -> None:
        client = served.open(application=served.application(lifetime=0.1))
        await until(lambda: client.answer.is_complete)
        assert served.hub.listener_count == 0

    run(test)


def test_the_source_can_end_a_stream(run: Run) -> None:
    async def test(served: Served) -> None:
        client = served.open()
        await client.until(b"snapshot")
        served.source.add("job", "done")
        served.source.add("job", event="end")
        served.source.add("job", "never sent")
        await until(lambda: client.answer.is_complete)
        assert client.answer.body.endswith(b"data: done\n\nid: 2\nevent: end\ndata: \n\n")

    run(test)


def test_a_stream_that_had_ended_ends_at_once_for_who_comes_back(run: Run) -> None:
    async def test(served: Served) -> None:
        served.source.add("job", "done")
        served.source.add("job", event="end")
        client = served.open(headers=[("Last-Event-ID", "1")])
        await until(lambda: client.answer.is_complete)
        assert client.answer.body == b"retry: 2000\n\nid: 2\nevent: end\ndata: \n\n"

    run(test)


def test_a_slow_client_misses_messages_and_gets_how_things_stand(run: Run) -> None:
    async def test(served: Served) -> None:
        slow, quick = served.open(stall=3), served.open()
        await slow.until(b"snapshot")
        for n in range(1, 21):
            served.source.add("job", f"step {n}.")
            await quick.until(b"step %d." % n)
        snapshots = served.source.calls.count("snapshot job None")
        assert snapshots == 1
        slow.resume()
        body = await slow.until(b"event: snapshot\ndata: step 20.")
        assert b"step 10." not in body
        served.source.add("job", "step 21.")
        await slow.until(b"step 21.")
        assert served.source.calls.count("snapshot job None") == 2

    run(test)


def test_a_client_that_stops_reading_is_cut_off(run: Run) -> None:
    async def test(served: Served) -> None:
        client = served.open(application=served.application(send_timeout=0.05), stall=2)
        await until(lambda: client.is_aborted)
        await until(lambda: served.hub.listener_count == 0)

    run(test)


def test_a_client_that_leaves_is_forgotten_at_once(run: Run) -> None:
    async def test(served: Served) -> None:
        client = served.open()
        await client.until(b"snapshot")
        client.leave()
        await until(lambda: served.hub.listener_count == 0, seconds=0.5)

    run(test)


def test_a_database_that_is_away_only_delays(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def test(served: Served) -> None:
        client = served.open()
        await client.until(b"snapshot")
        served.source.failures = 3
        served.source.add("job", "later")
        newcomer = served.open()
        await client.until(b"later")
        await newcomer.until(b"later")

    with caplog.at_level(logging.WARNING):
        run(test)
    assert [record.message for record in caplog.records] == ["event_source_failed"] * 3


def test_closing_the_hub_ends_every_stream_at_once(run: Run) -> None:
    async def test(served: Served) -> None:
        clients = [served.open() for _ in range(3)]
        for client in clients:
            await client.until(b"snapshot")
        served.hub.close()
        await until(lambda: all(client.answer.is_complete for client in clients), seconds=0.5)
        late = served.open()
        await until(lambda: late.answer.is_complete, seconds=0.5)

    run(test)


def test_an_owner_may_hold_so_many_streams(run: Run) -> None:
    async def test(served: Served) -> None:
        application = served.application(EventsView(X_Accel_Owner="ann"))
        first, second = served.open(application=application), served.open(application=application)
        await second.until(b"snapshot")
        refused = await call(application, "/job")
        assert (refused.status, refused.headers["retry-after"]) == (429, "10")
        first.leave()
        await until(lambda: served.hub.listener_count == 1)
        await served.open(application=application).until(b"snapshot")

    run(test)


def test_head_is_told_about_the_stream_and_ended(run: Run) -> None:
    async def test(served: Served) -> None:
        answer = await call(served.application(), "/job", method="HEAD")
        assert (answer.headers["content-type"], answer.body) == ("text/event-stream; charset=utf-8", b"")
        assert served.source.calls == []

    run(test)


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("GET", 403)])
def test_other_answers_pass(run: Run, method: str, status: int) -> None:
    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"x-accel-events", b"job")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"passed"})

    async def test(served: Served) -> None:
        answer = await call(served.application(refuse), method=method)
        assert (answer.status, answer.body) == (status, b"passed")

    run(test)


def test_messages_without_an_id_are_never_taken_for_repeated_ones(run: Run) -> None:
    async def test(served: Served) -> None:
        nameless = Message(channel="job", id="", data="progress")
        with served.hub.listen("elsewhere", None) as listener:
            listener.welcome([nameless], render(nameless))
            listener.deliver(nameless, render(nameless), limit=4)
            assert (await listener.next(1)).count(b"progress") == 2

    run(test)


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        (Message(channel="c", id=7, data="x"), b"id: 7\ndata: x\n\n"),
        (Message(channel="c", id="", data="x"), b"data: x\n\n"),
        (Message(channel="c", id=7, event="e", data=""), b"id: 7\nevent: e\ndata: \n\n"),
        (Message(channel="c", id=7, data="a\nb\r\nc\rd"), b"id: 7\ndata: a\ndata: b\ndata: c\ndata: d\n\n"),
        (
            Message(channel="c", id="7\ndata: forged", event="e\r\nx", data="ü"),
            b"id: 7 data: forged\nevent: e x\ndata: \xc3\xbc\n\n",
        ),
        (Message(channel="c", id=7, data="\ud800"), b"id: 7\ndata: ?\n\n"),
        (Message(channel="c", id=7, data="a\u2028b"), "id: 7\ndata: a\u2028b\n\n".encode()),
    ],
)
def test_no_content_of_a_message_can_break_its_frame(message: Message, frame: bytes) -> None:
    assert render(message) == frame
