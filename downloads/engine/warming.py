"""What a fork server does once so that its children need not: loads, compiles and caches whatever yt-dlp will use."""

from __future__ import annotations

import _strptime  # type: ignore[import-not-found]  # of the standard library, without stubs
import io
import os
import re
import tempfile
from contextlib import closing, suppress
from urllib.parse import urlsplit

from yt_dlp.networking import Request, Response
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

from downloads.engine import options, tools, ytdlp
from downloads.engine.errors import classify
from downloads.engine.spec import DownloadOptions, JobSpec

_PAGE = b"""<!doctype html><html><head><title>warm</title>
<meta property="og:video" content="http://warm.invalid/clip.mp4"></head><body></body></html>"""
_MASTER = b"""#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=320x180,CODECS="avc1.64000d,mp4a.40.2"
http://warm.invalid/media.m3u8
"""
_MEDIA = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n0.ts\n#EXT-X-ENDLIST\n"
_CLIP = b"\x00\x00\x00\x18ftypisom"
_ANSWERS = {
    "/page": (_PAGE, "text/html"),
    "/clip.mp4": (_CLIP, "video/mp4"),
    "/master.m3u8": (_MASTER, "application/vnd.apple.mpegurl"),
    "/media.m3u8": (_MEDIA, "application/vnd.apple.mpegurl"),
}


_HEADERS = {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
# Python forgets compiled patterns after a few; an extraction uses hundreds, and tries fifty date formats.
_MAX_PATTERNS = 20_000
_MAX_DATE_FORMATS = 500


class _Memory(ytdlp.Downloader):
    """Answers from memory: warming touches no network."""

    def urlopen(self, request: Request | str) -> Response:
        url = request if isinstance(request, str) else request.url
        body, kind = _ANSWERS[urlsplit(url).path]
        return Response(io.BytesIO(body), url, {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(body))})


def warm() -> None:
    ytdlp.prepare()
    _remember_patterns()
    tools.find_javascript()
    classify(Exception())
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(_Memory({**options.build(_spec(directory)), "logger": _Silence()}, ytdlp.Deaf())) as downloader,
    ):
        for path in _ANSWERS:
            downloader.extract_info(f"http://warm.invalid{path}", download=path == "/clip.mp4")
        _make_handlers(downloader)
        _ask_ffmpeg(downloader)


def _spec(directory: str) -> JobSpec:
    return JobSpec(
        job_id="warm",
        attempt=0,
        url="",
        work_directory=directory,
        proxy_url="http://127.0.0.1:9",
        ffmpeg_location=tools.find_ffmpeg(os.environ.get("FFMPEG_LOCATION", "")) or "",
        options=DownloadOptions(embed_metadata=False),
    )


def _remember_patterns() -> None:
    for module, name, size in ((re, "_MAXCACHE", _MAX_PATTERNS), (_strptime, "_CACHE_MAX_SIZE", _MAX_DATE_FORMATS)):
        setattr(module, name, size)  # a Python that reads another name remembers less


def _make_handlers(downloader: ytdlp.Downloader) -> None:
    """And with them the TLS context that all share."""
    for handler in downloader._request_director.handlers.values():  # noqa: SLF001
        with suppress(Exception):  # one that cannot work will say so in the job that needs it
            handler._make_sslcontext()  # noqa: SLF001


def _ask_ffmpeg(downloader: ytdlp.Downloader) -> None:
    """yt-dlp asks each program for its version once a process: 70 ms each."""
    step = FFmpegPostProcessor(downloader)
    _ = (step.available, step.probe_available)


class _Silence:
    def debug(self, message: str) -> None: ...
    def warning(self, message: str) -> None: ...
    def error(self, message: str) -> None: ...
