from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from mediadl.asgi.events import Events
from mediadl.asgi.hub import Hub
from mediadl.asgi.messages import Application
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, Call
from tests.asgi.source import Source
from tests.asgi.views import EventsView


class Served:
    """A source, its hub and the layer, with times short enough to wait for."""

    def __init__(self, threads: Threads) -> None:
        self.source = Source()
        self.hub = Hub(self.source, threads.run, interval=0.02, buffered_messages=4)
        self._clients: list[tuple[Call, asyncio.Task[Answer]]] = []

    def application(self, view: Application | None = None, **options: Any) -> Events:
        return Events(view or EventsView(), hub=self.hub, **{"max_streams_per_owner": 2, **options})

    def open(self, path: str = "/job", application: Events | None = None, **options: Any) -> Call:
        client = Call(application or self.application(), path, **options)
        self._clients.append((client, client.start()))
        return client

    async def close(self) -> None:
        for client, task in self._clients:
            client.leave()
            await asyncio.wait_for(task, 2)
        assert self.hub.listener_count == 0


Run = Callable[[Callable[[Served], Coroutine[Any, Any, None]]], None]
