from __future__ import annotations

import asyncio

from mediadl.asgi.events import LONGEST_KEPT_BODY
from mediadl.asgi.messages import Receive, Scope, Send
from tests.asgi.driver import Call, call, until
from tests.asgi.streaming import Run, Served


class LongPoll:
    """A view that lets its caller wait for news of the job, and says whether it did."""

    def __init__(self, after: str = "0", seconds: str = "5") -> None:
        self.wait = {"X-Accel-Wait": seconds, "X-Accel-After": after}
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        message = await receive()
        assert message == {"type": "http.request", "body": b"", "more_body": False}
        is_second = scope.get("mediadl.waited", False)
        headers = {} if is_second else {"X-Accel-Events": "job", **self.wait}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})
        await send({"type": "http.response.body", "body": b"after the wait" if is_second else b"before"})


def test_a_request_can_wait_for_news_without_a_thread(run: Run) -> None:
    async def test(served: Served) -> None:
        client = served.open(application=served.application(LongPoll()))
        await until(lambda: "poll job" in served.source.calls)
        assert client.answer.status == 0
        served.source.add("job", "news")
        await until(lambda: client.answer.is_complete, seconds=1)
        assert (client.answer.body, client.answer.headers) == (b"after the wait", {})

    run(test)


class Echo:
    """A view that waits once, and then answers with the body that it was asked with."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, has_more = b"", True
        while has_more:
            message = await receive()
            body, has_more = body + message["body"], message["more_body"]
        granted = [] if scope.get("mediadl.waited") else [(b"x-accel-events", b"job"), (b"x-accel-wait", b"0.05")]
        await send({"type": "http.response.start", "status": 200, "headers": granted})
        await send({"type": "http.response.body", "body": body})


def test_a_post_is_asked_again_with_its_body(run: Run) -> None:
    async def test(served: Served) -> None:
        client = Call(served.application(Echo()), method="POST", body=[b'{"url": ', b'"x"}'])
        answer = await asyncio.wait_for(client.run(), 5)
        assert (answer.body, answer.headers) == (b'{"url": "x"}', {})

    run(test)


def test_a_body_that_django_would_refuse_is_not_kept(run: Run) -> None:
    async def test(served: Served) -> None:
        client = Call(served.application(Echo()), method="POST", body=[b"x" * LONGEST_KEPT_BODY, b"x"])
        assert (await asyncio.wait_for(client.run(), 5)).body == b""

    run(test)


def test_a_request_does_not_wait_for_news_that_came_before(run: Run) -> None:
    async def test(served: Served) -> None:
        served.source.add("job", "news between the view's look and the wait")
        answer = await asyncio.wait_for(call(served.application(LongPoll(after="0"))), 1)
        assert answer.body == b"after the wait"

    run(test)


def test_a_request_waits_no_longer_than_it_says(run: Run) -> None:
    async def test(served: Served) -> None:
        answer = await asyncio.wait_for(call(served.application(LongPoll(seconds="0.05"))), 1)
        assert answer.body == b"after the wait"

    run(test)


def test_nothing_is_asked_for_who_left_while_waiting(run: Run) -> None:
    async def test(served: Served) -> None:
        view = LongPoll()
        client = served.open(application=served.application(view))
        await until(lambda: "poll job" in served.source.calls)
        client.leave()
        await until(lambda: served.hub.listener_count == 0, seconds=0.5)
        await asyncio.sleep(0.01)
        assert (view.calls, client.answer.status) == (1, 0)

    run(test)
