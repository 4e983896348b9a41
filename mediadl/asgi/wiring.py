"""Puts the layers together by Django's settings: `Edge(Access(Events(Archives(Files(Pictures(Bridge(Django)))))))`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from django.utils.module_loading import import_string

from mediadl.asgi.access import Access
from mediadl.asgi.archives import Archives
from mediadl.asgi.bridge import Bridge
from mediadl.asgi.edge import SPOKEN, Edge
from mediadl.asgi.events import Events
from mediadl.asgi.files import REDIRECT, Files
from mediadl.asgi.hub import Hub
from mediadl.asgi.pictures import Fetcher, Pictures
from mediadl.asgi.shelves import Bucket, Directory
from mediadl.asgi.threads import Threads
from mediadl.wsgi import application as django_application

# Requests compute, nearly all the time, but for what they ask a database server; those that wait long are relieved.
AT_ONCE = 1 if settings.IS_SQLITE else 2
FILE_THREADS = 4
# Each waits for the network; none is started before it is wanted.
BUCKET_THREADS = 16


def build() -> Edge:
    async def close() -> None:
        for threads in (requests, reads, fetches, polls):
            threads.close()
        await fetcher.close()

    quiet = import_string(settings.QUIET_CALLBACK)
    requests = Threads(settings.WSGI_THREADS, name="request", at_once=AT_ONCE, when_quiet=quiet)
    reads = Threads(FILE_THREADS, name="file")
    fetches = Threads(BUCKET_THREADS, name="bucket")
    polls = Threads(1, name="events")
    hub = Hub(import_string(settings.EVENT_SOURCE)(), with_database(polls))
    fetcher = Fetcher(settings.GUARD_URL)
    files = Files(
        Pictures(Bridge(django_application, threads=requests), fetch=fetcher),
        root=settings.FILES_ROOT,
        threads=reads,
        max_streams_per_owner=settings.MAX_STREAMS_PER_OWNER,
        when_sent=_when_sent(with_database(requests)),
        is_passed_through=settings.X_ACCEL_PASSTHROUGH,
    )
    archives = Archives(
        files,
        shelf=_bucket(fetches) if settings.S3_BUCKET else Directory(settings.FILES_ROOT, reads),
        max_streams_per_owner=settings.MAX_STREAMS_PER_OWNER,
        when_sent=_when_sent(with_database(requests)),
    )
    events = Events(archives, hub=hub, max_streams_per_owner=settings.MAX_STREAMS_PER_OWNER)
    return Edge(
        Access(events) if settings.ACCESS_LOG else events,
        on_stop=hub.close,
        on_end=close,
        spoken=SPOKEN | {REDIRECT} if settings.X_ACCEL_PASSTHROUGH else SPOKEN,
    )


def _bucket(threads: Threads) -> Bucket:
    from downloads import bucket_store  # noqa: PLC0415 - loaded where there is a bucket

    return Bucket(bucket_store.configured(), threads)


def with_database(threads: Threads) -> Callable[..., Awaitable[Any]]:
    """Outside a request nobody else drops the connections that have died or are too old."""

    def perform(call: Callable[..., Any], *arguments: Any) -> Any:
        close_old_connections()
        try:
            return call(*arguments)
        finally:
            close_old_connections()

    return lambda call, *arguments: threads.run(perform, call, *arguments)


def _when_sent(run: Callable[..., Awaitable[Any]]) -> Callable[[str], Awaitable[Any]]:
    callback = import_string(settings.FILE_SENT_CALLBACK)
    return lambda token: run(callback, token)


application = build()
