"""What the enclave's addresses serve: at the public one, real media and pages, streams and redirects that lead wherever
the query says; at all others, the same bytes, so that an attack that gets through succeeds.
"""

from __future__ import annotations

import re
import socket
from html import escape
from urllib.parse import parse_qs, unquote, urlsplit

from tests.origin import media_directory

_HTML, _HLS, _DASH = "text/html; charset=utf-8", "application/vnd.apple.mpegurl", "application/dash+xml"
_FILES = {
    "/x.mp4": ("clip.mp4", "video/mp4"),
    "/x.ts": ("hls/plain/high-0.ts", "video/mp2t"),
    "/x.m4s": ("hls/fmp4/clip-0.m4s", "video/iso.segment"),
    "/init.mp4": ("hls/fmp4/init.mp4", "video/mp4"),
    "/aes.ts": ("hls/aes/clip-0.ts", "video/mp2t"),
    "/x.key": ("hls/aes/clip.key", "application/octet-stream"),
    "/x.jpg": ("image.jpg", "image/jpeg"),
}
_ONE_LINE = re.compile("[\r\n]")
SUBTITLE = "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nfetched\n"


class Site:
    def __init__(self) -> None:
        self._media = media_directory()

    def converse(self, connection: socket.socket) -> None:
        """One request to a connection."""
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65536)
            if not part:
                return
            head += part
        method, target = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")[:2]
        status, kind, body, extra = self._answer(target)
        lines = [f"HTTP/1.1 {status} x", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *extra]
        reply = "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8", "surrogateescape")
        connection.sendall(reply + (b"" if method == "HEAD" else body))

    def _answer(self, target: str) -> tuple[int, str, bytes, list[str]]:
        parts = urlsplit(target)
        there = parse_qs(parts.query, keep_blank_values=True).get("to", [""])[0]
        if parts.path == "/redirect":
            return 302, _HTML, b"elsewhere", [f"Location: {_ONE_LINE.sub('', there)}"]
        if parts.path in _PAGES:
            kind, text = _PAGES[parts.path]
            shown = escape(there) if kind != _HLS else there
            return 200, kind, text.replace("THERE", shown).encode("utf-8", "surrogateescape"), []
        if parts.path == "/subtitle.vtt":
            return 200, "text/vtt", SUBTITLE.encode(), []
        name, kind = _FILES.get(unquote(parts.path), _FILES["/x.mp4"])
        return 200, kind, (self._media / name).read_bytes(), []


_HEAD = "<!doctype html><html><head><title>Page</title>"
_PAGES = {
    "/video": (_HTML, f'{_HEAD}</head><body><video src="THERE"></video></body></html>'),
    "/source": (_HTML, f'{_HEAD}</head><body><video><source src="THERE" type="video/mp4"></video></body></html>'),
    "/og": (_HTML, f'{_HEAD}<meta property="og:video" content="THERE"></head><body></body></html>'),
    "/refresh": (_HTML, '<html><head><meta http-equiv="refresh" content="0; url=THERE"></head></html>'),
    "/thumbnail": (
        _HTML,
        (
            f'{_HEAD}<meta property="og:image" content="THERE"></head>'
            '<body><video src="/x.mp4" poster="THERE"></video></body></html>'
        ),
    ),
    "/subtitle": (
        _HTML,
        (
            f'{_HEAD}</head><body><video><source src="/x.mp4" type="video/mp4">'
            '<track kind="subtitles" srclang="en" src="THERE"></video></body></html>'
        ),
    ),
    "/segment.m3u8": (
        _HLS,
        (
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n"
            "#EXTINF:2.0,\nTHERE\n#EXT-X-ENDLIST\n"
        ),
    ),
    "/variant.m3u8": (
        _HLS,
        '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=200000,RESOLUTION=320x180,CODECS="avc1.42c00c,mp4a.40.2"\nTHERE\n',
    ),
    "/key.m3u8": (
        _HLS,
        (
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n"
            '#EXT-X-KEY:METHOD=AES-128,URI="THERE",IV=0x00000000000000000000000000000000\n'
            "#EXTINF:2.0,\n/aes.ts\n#EXT-X-ENDLIST\n"
        ),
    ),
    "/map.m3u8": (
        _HLS,
        (
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n"
            '#EXT-X-MAP:URI="THERE"\n#EXTINF:2.0,\n/x.m4s\n#EXT-X-ENDLIST\n'
        ),
    ),
    "/manifest.mpd": (
        _DASH,
        (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" '
            'mediaPresentationDuration="PT8S" minBufferTime="PT2S">'
            '<Period><AdaptationSet mimeType="video/mp4" contentType="video">'
            '<Representation id="0" codecs="avc1.42c00c" bandwidth="200000" width="320" height="180">'
            "<BaseURL>THERE</BaseURL></Representation></AdaptationSet></Period></MPD>"
        ),
    ),
}

NOTHING = Site()
