"""HTML pages, feeds and subtitles as sites publish them, and a few that no honest site would."""

from __future__ import annotations

import functools
import zlib
from html import escape

from tests.origin.content import HTML, BytesBody, Resource, text

SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>document.title="svg ran"</script></svg>'
SCRIPT_PAGE = "<!doctype html><title>x</title><script>document.title='html ran'</script>"
LOCAL_FILES_PLAYLIST = "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n"
SPOKEN = {"en": ("Good morning.", "Good night."), "de": ("Guten Morgen.", "Gute Nacht.")}
SEGMENT_OFFSET = "X-TIMESTAMP-MAP=MPEGTS:126000,LOCAL:00:00:00.000\n"
BOMB_BYTES = 100_000_000


def video_tag(*, title: str, description: str, media: str, thumbnail: str) -> Resource:
    return text(
        "<!doctype html><html><head>"
        f"<title>{escape(title)}</title>"
        f'<meta name="description" content="{escape(description)}">'
        f'<meta property="og:title" content="{escape(title)}">'
        f'<meta property="og:description" content="{escape(description)}">'
        f'<meta property="og:image" content="{escape(thumbnail)}">'
        f'</head><body><video src="{escape(media)}" poster="{escape(thumbnail)}" controls></video></body></html>'
    )


def open_graph(*, title: str, description: str, media: str, thumbnail: str) -> Resource:
    return text(
        "<!doctype html><html><head>"
        f"<title>{escape(title)}</title>"
        f'<meta property="og:title" content="{escape(title)}">'
        f'<meta property="og:description" content="{escape(description)}">'
        f'<meta property="og:image" content="{escape(thumbnail)}">'
        f'<meta property="og:video" content="{escape(media)}">'
        "</head><body>A film.</body></html>"
    )


def subtitled(*, title: str, media: str, subtitles: dict[str, str]) -> Resource:
    tracks = "".join(
        f'<track kind="subtitles" srclang="{language}" src="{escape(url)}">' for language, url in subtitles.items()
    )
    return text(
        f"<!doctype html><html><head><title>{escape(title)}</title></head>"
        f'<body><video controls><source src="{escape(media)}" type="video/mp4">{tracks}</video></body></html>'
    )


def playlist(*, title: str, media: list[str]) -> Resource:
    videos = "".join(f'<video src="{escape(url)}"></video>' for url in media)
    return text(f"<!doctype html><html><head><title>{escape(title)}</title></head><body>{videos}</body></html>")


def rss(*, title: str, media: list[str]) -> Resource:
    items = "".join(
        f"<item><title>Episode {number}</title><guid>episode-{number}</guid>"
        f"<description>About {number}</description><pubDate>Thu, 0{1 + number % 9} Jan 2026 10:00:00 GMT</pubDate>"
        f'<enclosure url="{escape(url)}" type="video/mp4" length="0"/></item>'
        for number, url in enumerate(media, start=1)
    )
    return text(
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
        f"<title>{escape(title)}</title><description>A feed</description>{items}</channel></rss>",
        "application/rss+xml; charset=utf-8",
    )


def subtitles(language: str, *, offset: str = "") -> Resource:
    """`offset` is a header line of the segment form, which ties cues to the clock of the video's segments."""
    cues = "".join(
        f"\n00:00:0{start}.000 --> 00:00:0{start + 2}.000\n{line}\n"
        for start, line in zip((0, 4), SPOKEN[language], strict=True)
    )
    return text(f"WEBVTT\n{offset}{cues}", "text/vtt; charset=utf-8")


@functools.cache
def gzip_bomb() -> Resource:
    """A page of 100 MB behind about 100 kB, sent compressed whatever the client accepts."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    head = b"<!doctype html><html><head><title>bomb</title></head><body>"
    block = b" " * 1_000_000
    parts = [compressor.compress(head)]
    parts += [compressor.compress(block) for _ in range(BOMB_BYTES // len(block))]
    parts.append(compressor.flush())
    return Resource(body=BytesBody(b"".join(parts)), content_type=HTML, headers={"Content-Encoding": "gzip"})
