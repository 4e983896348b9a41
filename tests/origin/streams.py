"""HLS and DASH manifests. Each hands the query it was asked with on to what it refers to, as `latency_ms` needs."""

from __future__ import annotations

import re
import time
from html import escape

from tests.origin.content import CONTENT_TYPES, Resource, text
from tests.origin.media import MANY_SEGMENT_SECONDS, MANY_SEGMENTS

_ENDLESS_WINDOW = 6

_MASTER = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=320x180,CODECS="avc1.42c00c,mp4a.40.2"{attributes}
high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=130000,RESOLUTION=160x90,CODECS="avc1.42c00a,mp4a.40.2"{attributes}
low.m3u8
"""


def stored_playlist(content: str, query: str) -> Resource:
    return _hls(content.replace("#EXT-X-TARGETDURATION:0", "#EXT-X-TARGETDURATION:1"), query)


def master(query: str) -> Resource:
    return _hls(_MASTER.format(attributes=""), query)


def master_with_subtitles(query: str) -> Resource:
    """Refers to the plain renditions next door, and to a WebVTT playlist a language."""
    media = "".join(
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="{name}",LANGUAGE="{language}",URI="{language}.m3u8"\n'
        for language, name in (("en", "English"), ("de", "Deutsch"))
    )
    variants = _MASTER.format(attributes=',SUBTITLES="subs"').replace("high.m3u8", "../plain/high.m3u8")
    variants = variants.replace("low.m3u8", "../plain/low.m3u8")
    head, rest = variants.split("#EXT-X-STREAM-INF", 1)
    return _hls(f"{head}{media}#EXT-X-STREAM-INF{rest}", query)


def subtitle_playlist(language: str, query: str) -> Resource:
    return _hls(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:8\n#EXT-X-PLAYLIST-TYPE:VOD\n"
        f"#EXTINF:8.0,\n{language}.vtt\n#EXT-X-ENDLIST\n",
        query,
    )


def endless(query: str, *, since: float) -> Resource:
    """A live playlist: a window that moves on with the clock and never ends."""
    first = int((time.monotonic() - since) / MANY_SEGMENT_SECONDS)
    numbers = [number % MANY_SEGMENTS for number in range(first, first + _ENDLESS_WINDOW)]
    entries = "".join(
        f"{'#EXT-X-DISCONTINUITY' + chr(10) if number == 0 else ''}#EXTINF:{MANY_SEGMENT_SECONDS},\n"
        f"hls/many/segment-{number}.ts\n"
        for number in numbers
    )
    return _hls(
        f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n{entries}",
        query,
        headers={"Cache-Control": "no-store"},
    )


def manifest(content: str, query: str) -> Resource:
    if query:
        content = re.sub(
            r'\b(media|initialization)="([^"]+)"', lambda match: f'{match[1]}="{match[2]}?{escape(query)}"', content
        )
    return text(content, CONTENT_TYPES[".mpd"])


def _hls(content: str, query: str, headers: dict[str, str] | None = None) -> Resource:
    if query:
        content = re.sub(r'URI="([^"]+)"', lambda match: f'URI="{match[1]}?{query}"', content)
        content = re.sub(r"^([^#\s].*)$", lambda match: f"{match[1]}?{query}", content, flags=re.MULTILINE)
    return text(content, CONTENT_TYPES[".m3u8"], headers=headers)
