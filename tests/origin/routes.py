"""The resources of the site, by path, without any behaviour."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from tests.origin import pages, streams
from tests.origin.content import CONTENT_TYPES, Request, Resource, blob, numbered_mp4, padded_mp4, redirect, text

PAGE_TITLE = "A film about clouds"
PAGE_DESCRIPTION = "Eight seconds of a test picture."


class Routes:
    def __init__(self, media: Path) -> None:
        self._media = media
        self._files = {str(path.relative_to(media)): path for path in media.rglob("*") if path.is_file()}
        self._started = time.monotonic()
        self._exact: dict[str, Callable[[Request], Resource]] = {
            "page/video-tag": self._video_tag,
            "page/og-video": self._open_graph,
            "page/subtitles": self._subtitled_page,
            "page/playlist": lambda request: pages.playlist(title="A playlist", media=self._items(request)),
            "rss.xml": lambda request: pages.rss(title="A podcast", media=self._items(request)),
            "hls/plain/master.m3u8": lambda request: streams.master(request.query),
            "hls/subs/master.m3u8": lambda request: streams.master_with_subtitles(request.query),
            "endless.m3u8": lambda request: streams.endless(request.query, since=self._started),
            "gzipbomb": lambda request: pages.gzip_bomb(),
            "html-as.mp4": lambda request: text(pages.SCRIPT_PAGE, CONTENT_TYPES[".mp4"]),
            "svg-as.mp4": lambda request: text(pages.SVG, CONTENT_TYPES[".mp4"]),
            "playlist-as.mp4": lambda request: text(pages.LOCAL_FILES_PLAYLIST, CONTENT_TYPES[".mp4"]),
            "redirect-to": lambda request: redirect(request.param("url"), request.number("code", HTTPStatus.FOUND)),
        }
        self._numbered: dict[str, Callable[[str, Request], Resource | None]] = {
            "big": self._big,
            "item": lambda name, request: Resource(
                body=numbered_mp4(self.file("clip.mp4"), _number(name)), content_type=CONTENT_TYPES[".mp4"]
            ),
            "page/two": self._twin_page,
            "subs": lambda name, request: _subtitle_file(name),
            "hls/subs": self._hls_subtitles,
        }

    def file(self, name: str) -> bytes:
        return (self._media / name).read_bytes()

    def resource(self, request: Request) -> Resource:
        """What lies behind the path. Raises ValueError for a route's nonsensical argument."""
        name = request.path.lstrip("/")
        if name in self._exact:
            return self._exact[name](request)
        folder, _, last = name.rpartition("/")
        found = self._numbered[folder](last, request) if folder in self._numbered else self._stored(name, request)
        return found or text("Not found", status=HTTPStatus.NOT_FOUND)

    def _stored(self, name: str, request: Request) -> Resource | None:
        path = self._files.get(name)
        if path is None:
            return None
        if path.suffix == ".m3u8":
            return streams.stored_playlist(path.read_text(), request.query)
        if path.suffix == ".mpd":
            return streams.manifest(path.read_text(), request.query)
        return blob(path.read_bytes(), name)

    def _items(self, request: Request) -> list[str]:
        prefix = request.param("prefix").rstrip("/")
        return [request.absolute(f"{prefix}/item/{n}.mp4") for n in range(1, request.number("n", 3) + 1)]

    def _video_tag(self, request: Request) -> Resource:
        return pages.video_tag(**_page_fields(request))

    def _open_graph(self, request: Request) -> Resource:
        return pages.open_graph(**_page_fields(request))

    def _subtitled_page(self, request: Request) -> Resource:
        languages = request.param("languages", "en,de").split(",")
        return pages.subtitled(
            title=request.param("title", PAGE_TITLE),
            media=request.absolute(request.param("media", "/clip.mp4")),
            subtitles={language: request.absolute(f"/subs/{language}.vtt") for language in languages},
        )

    def _twin_page(self, name: str, request: Request) -> Resource | None:
        media = {"1": "/clip.mp4", "2": "/other.mp4"}.get(name)
        if media is None:
            return None
        return pages.video_tag(**{**_page_fields(request), "media": request.absolute(media)})

    def _big(self, name: str, request: Request) -> Resource:
        body = padded_mp4(self.file("clip.mp4"), _number(name))
        return Resource(body=body, content_type=CONTENT_TYPES[".mp4"])

    def _hls_subtitles(self, name: str, request: Request) -> Resource | None:
        if name.endswith(".m3u8"):
            return streams.subtitle_playlist(name.removesuffix(".m3u8"), request.query)
        return _subtitle_file(name, offset=pages.SEGMENT_OFFSET)


def _number(name: str) -> int:
    return int(name.removesuffix(".mp4"))


def _subtitle_file(name: str, *, offset: str = "") -> Resource | None:
    language = name.removesuffix(".vtt")
    return pages.subtitles(language, offset=offset) if language in pages.SPOKEN else None


def _page_fields(request: Request) -> dict[str, str]:
    return {
        "title": request.param("title", PAGE_TITLE),
        "description": request.param("description", PAGE_DESCRIPTION),
        "media": request.absolute(request.param("media", "/clip.mp4")),
        "thumbnail": request.absolute(request.param("thumbnail", "/image.jpg")),
    }
