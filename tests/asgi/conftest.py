from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from mediadl.asgi.bridge import Bridge
from mediadl.asgi.exchange import WSGIApplication
from mediadl.asgi.files import Files
from mediadl.asgi.messages import Application
from mediadl.asgi.threads import Threads
from tests.asgi.driver import Answer, call
from tests.asgi.streaming import Run, Served
from tests.asgi.views import CONTENT, LARGE, BuildBridge, BuildFiles, DownloadView, Get


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


@pytest.fixture
def files(root: Path, threads: Threads) -> BuildFiles:
    def build(application: Application, **options: Any) -> Files:
        return Files(application, root=root, threads=threads, **{"max_streams_per_owner": 2, **options})

    return build


@pytest.fixture
def get(files: BuildFiles) -> Get:
    """The answer to one request for a file, whose view sends `view` as well."""

    def get(
        key: str = "job/1/a.mp4", method: str = "GET", *, view: dict[str, Any] | None = None, **request: str
    ) -> Answer:
        headers = [(name.replace("_", "-"), value) for name, value in request.items()]
        return asyncio.run(call(files(DownloadView(key, **(view or {}))), method=method, headers=headers))

    return get


@pytest.fixture
def bridge(threads: Threads) -> BuildBridge:
    def bridge(application: WSGIApplication, **options: Any) -> Bridge:
        return Bridge(application, threads=threads, **options)

    return bridge


@pytest.fixture
def run() -> Iterator[Run]:
    """Runs a test's coroutine, and finds that every stream of it has ended."""
    threads = Threads(1, name="test-events")

    async def serve(test: Callable[[Served], Coroutine[Any, Any, None]]) -> None:
        served = Served(threads)
        await test(served)
        await served.close()

    yield lambda test: asyncio.run(serve(test))
    threads.close()
