"""A local site with real media and every bad habit that tests and benches need.

In a test: the fixture `origin`. In a program: `with Origin() as origin: origin.url("/clip.mp4")`.
As a process: `python -m tests.origin --port 0`, which prints its address as the first line.

Media, all with Range, If-Range, HEAD, ETag, Last-Modified and keep-alive:

    /clip.mp4 (about 158 kB, 8 s, h264 and aac)  /other.mp4 (4 s, other bytes)  /low.mp4
    /audio.mp3  /audio.m4a  /video.webm  /movie.mkv  /image.jpg  /subs/en.vtt  /subs/de.vtt
    /item/N.mp4      the clip's picture in bytes of its own, for each N
    /big/BYTES.mp4   a playable clip padded to exactly that size, streamed

Pages (`?title=`, `?description=`, `?thumbnail=` and `?media=/any/path` change what they say; N items by `?n=`,
the items' path prefixed by `?prefix=/slow/1000`):

    /page/video-tag  /page/og-video  /page/subtitles (`?languages=en,de`)
    /page/two/1 and /page/two/2 (one title, different bytes)  /page/playlist  /rss.xml

Streams (manifests hand their query and prefix on and ignore them, so that `?latency_ms=50`, which delays any
answer, and /slow, /cut, ... meet each segment):

    /hls/plain/master.m3u8 (320x180 and 160x90)  /hls/aes/index.m3u8  /hls/fmp4/index.m3u8
    /hls/many/index.m3u8 (100 segments of 0.2 s)  /hls/subs/master.m3u8 (subtitles in en and de)
    /dash/manifest.mpd (video in two sizes, audio apart)  /endless.m3u8 (live, never ends)

Hostile: /gzipbomb (100 MB behind 100 kB)  /html-as.mp4  /svg-as.mp4
    /playlist-as.mp4 (an HLS playlist of local files, sent as video/mp4)

Behaviours, as prefixes of any path, also of each other (/chunked/slow/1000/clip.mp4):

    /slow/BYTES_PER_SECOND/...
    /cut/PERCENT/...            closes at that share of the body; who resumes by Range gets all the rest
    /cutonce/TOKEN/PERCENT/...  once for that token (not by an extractor that looks at the head and leaves)
    /stall/PERCENT/...          goes silent there, until the client leaves or 60 s are over; a resume stalls too
    /status/CODE/...            `?retry_after=` sets the header
    /flaky/TOKEN/N/CODE/...     the first N requests get the code
    /lie/DELTA/...              Content-Length is off by DELTA
    /redirect/N/...             N hops; /redirect-to?url=&code= goes anywhere
    /chunked/...  /nolength/...  without Content-Length or ranges; /norange/... only without ranges
    /needs-cookie/NAME/VALUE/...  403 without it

The log is `origin.requests`, or /_log as JSON and /_log/clear over HTTP.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from tests.origin.content import Request
from tests.origin.log import LoggedRequest
from tests.origin.media import media_directory
from tests.origin.server import OriginServer

__all__ = ["LoggedRequest", "Origin", "media_directory"]


class Origin:
    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = OriginServer(host, port)
        self._host = host
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="origin")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join()

    @property
    def port(self) -> int:
        return self._server.port

    def url(self, path: str, *, host: str | None = None) -> str:
        return f"http://{host or self._host}:{self.port}/{path.lstrip('/')}"

    @property
    def requests(self) -> list[LoggedRequest]:
        """In the order of arrival; one that is still being answered shows what it has sent so far."""
        return self._server.log.snapshot()

    def requests_of(self, path: str) -> list[LoggedRequest]:
        return [request for request in self.requests if request.path == path]

    def bytes_sent(self, path: str) -> int:
        return sum(request.bytes_sent for request in self.requests_of(path))

    def clear(self) -> None:
        """Empties the log; what /flaky and /cutonce remember of their tokens stays."""
        self._server.log.clear()

    def _chunks(self, path: str) -> Iterator[memoryview]:
        plain, _, query = path.partition("?")
        request = Request(path=unquote(plain), query=query, base_url=self.url("/"))
        body = self._server.answer(request).resource.body
        return body.chunks(0, body.size)

    def body(self, path: str) -> bytes:
        """The full body behind a path, however badly its prefixes have it delivered."""
        return b"".join(self._chunks(path))

    def sha256(self, path: str) -> str:
        digest = hashlib.sha256()
        for chunk in self._chunks(path):
            digest.update(chunk)
        return digest.hexdigest()
