"""The layers over a small WSGI application, for a real server: the environment says where its files are.

/files/<key> is a download, /events/<channel> a stream, /publish/<channel>?<data> a message in it, /handles the open
files below the root, /slow a view that works for a second, /stream a streamed answer, /upload counts what it is sent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mediadl.asgi.bridge import Bridge
from mediadl.asgi.edge import Edge
from mediadl.asgi.events import Events
from mediadl.asgi.files import Files
from mediadl.asgi.hub import Hub
from mediadl.asgi.threads import Threads
from tests.asgi.handles import open_handles
from tests.asgi.source import Source

ROOT = Path(os.environ["SITE_ROOT"])
SEND_TIMEOUT_SECONDS = float(os.environ.get("SITE_SEND_TIMEOUT", "60"))
SENT = ROOT.parent / "sent"

source = Source()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    name, _, rest = environ["PATH_INFO"].encode("latin-1").decode().lstrip("/").partition("/")
    headers, body = VIEWS.get(name, hello)(rest, environ)
    start_response("200 OK", [*headers, ("X-Accel-Expires", "0")])
    return body


def hello(_rest: str, _environ: dict[str, Any]) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    return [("Content-Length", "5")], [b"hello"]


def files(key: str, _environ: dict[str, Any]) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    path = ROOT / key
    size = path.stat().st_size if path.exists() else 0
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("ETag", f'"{size}"'),
        ("X-Accel-Redirect", f"/_protected/{quote(key)}"),
        ("X-Accel-Token", quote(key)),
    ]
    return headers, [b"ignored"]


def events(channel: str, _environ: dict[str, Any]) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    return [("X-Accel-Events", channel)], []


def publish(channel: str, environ: dict[str, Any]) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    source.add(channel, environ["QUERY_STRING"])
    return [], [b"published"]


def handles(_rest: str, _environ: dict[str, Any]) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    return [], [b"%d" % len(open_handles(ROOT))]


def slow(_rest: str, _environ: dict[str, Any]) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    time.sleep(1)
    return [], [b"slept"]


def stream(_rest: str, _environ: dict[str, Any]) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    return [], (b"x" * 65536 for _ in range(1000))


def upload(_rest: str, environ: dict[str, Any]) -> tuple[list[tuple[str, str]], Iterable[bytes]]:
    return [], [b"%d" % len(environ["wsgi.input"].read())]


VIEWS = {
    "files": files,
    "events": events,
    "publish": publish,
    "handles": handles,
    "slow": slow,
    "stream": stream,
    "upload": upload,
}


def build() -> Edge:
    requests, reads, polls = (Threads(count, name="site") for count in (2, 2, 1))
    hub = Hub(source, polls.run, interval=0.05)

    async def note(token: str) -> None:
        with SENT.open("a") as sent:
            sent.write(token + "\n")

    async def close() -> None:
        requests.close()

    bridge = Bridge(wsgi, threads=requests, send_timeout=SEND_TIMEOUT_SECONDS)
    downloads = Files(
        bridge, root=ROOT, threads=reads, max_streams_per_owner=1000, when_sent=note, send_timeout=SEND_TIMEOUT_SECONDS
    )
    return Edge(Events(downloads, hub=hub, max_streams_per_owner=1000), on_stop=hub.close, on_end=close)


application = build()
