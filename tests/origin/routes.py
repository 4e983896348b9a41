"""From a path to an answer: behaviours first, one prefix after the other, then the resource that is left."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, unquote, urljoin

from tests.origin import pages, streams
from tests.origin.content import CONTENT_TYPES, Resource, blob, numbered_mp4, padded_mp4, text
from tests.origin.delivery import Answer, Delivery

PAGE_TITLE = "A film about clouds"
PAGE_DESCRIPTION = "Eight seconds of a test picture."


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    query: str
    base_url: str
    cookie: str = ""

    def param(self, name: str, default: str = "") -> str:
        return parse_qs(self.query, keep_blank_values=True).get(name, [default])[0]

    def number(self, name: str, default: int) -> int:
        return int(self.param(name, str(default)))

    def absolute(self, path: str) -> str:
        return urljoin(self.base_url, path)


class Routes:
    def __init__(self, media: Path) -> None:
        self._media = media
        self._files = {str(path.relative_to(media)): path for path in media.rglob("*") if path.is_file()}
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._broken: set[str] = set()
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
            "redirect-to": lambda request: _redirect(request.param("url"), request.number("code", HTTPStatus.FOUND)),
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

    def answer(self, request: Request) -> Answer:
        delivery = Delivery(latency_seconds=request.number("latency_ms", 0) / 1000)
        while behaviour := _BEHAVIOURS.get(request.path.lstrip("/").split("/", 1)[0]):
            count, apply = behaviour
            _, *arguments, rest = request.path.lstrip("/").split("/", count + 1)
            if len(arguments) != count:
                return Answer(resource=text("Too few arguments", status=HTTPStatus.BAD_REQUEST))
            request = replace(request, path="/" + rest)
            outcome = apply(self, request, delivery, [unquote(argument) for argument in arguments])
            if isinstance(outcome, Resource):
                return Answer(resource=outcome)
            delivery = outcome
        resource = self.resource(request)
        return Answer(
            resource=resource, delivery=replace(delivery, latency_seconds=0) if resource.is_text else delivery
        )

    def is_broken(self, token: str) -> bool:
        with self._lock:
            return token in self._broken

    def mark_broken(self, token: str) -> None:
        with self._lock:
            self._broken.add(token)

    def count(self, token: str) -> int:
        """How often the token has been seen before."""
        with self._lock:
            self._seen[token] += 1
            return self._seen[token] - 1

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
        return media and pages.video_tag(**{**_page_fields(request), "media": request.absolute(media)}) or None

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


def _redirect(location: str, code: int = HTTPStatus.FOUND) -> Resource:
    return text("Elsewhere", status=code, headers={"Location": location})


def _failure(code: int, request: Request) -> Resource:
    retry_after = request.param("retry_after")
    return text(f"Status {code}", status=code, headers={"Retry-After": retry_after} if retry_after else {})


def _with_query(request: Request, prefix: str) -> str:
    return f"{prefix}{request.path}{'?' + request.query if request.query else ''}"


# A behaviour either changes the delivery or answers itself.
Outcome = Delivery | Resource
Behaviour = Callable[[Routes, Request, Delivery, list[str]], Outcome]


def _slow(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    return replace(delivery, bytes_per_second=int(arguments[0]))


def _cut(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    return replace(delivery, break_percent=int(arguments[0]), break_kind="cut")


def _cut_once(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    token, percent = arguments
    if routes.is_broken(token):
        return delivery
    return replace(delivery, break_percent=int(percent), break_kind="cut", break_token=token)


def _stall(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    return replace(delivery, break_percent=int(arguments[0]), break_kind="stall")


def _status(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    return _failure(int(arguments[0]), request)


def _flaky(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    token, times, code = arguments
    return _failure(int(code), request) if routes.count(token) < int(times) else delivery


def _lie(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    return replace(delivery, length_delta=int(arguments[0]))


def _redirects(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    left = int(arguments[0]) - 1
    return _redirect(_with_query(request, f"/redirect/{left}" if left > 0 else ""))


def _cookie(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    sent = {part.strip() for part in request.cookie.split(";")}
    return delivery if "=".join(arguments) in sent else _failure(HTTPStatus.FORBIDDEN, request)


def _chunked(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    return replace(delivery, framing="chunked", accepts_ranges=False)


def _no_length(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    return replace(delivery, framing="close", accepts_ranges=False)


def _no_range(routes: Routes, request: Request, delivery: Delivery, arguments: list[str]) -> Outcome:
    return replace(delivery, accepts_ranges=False)


_BEHAVIOURS: dict[str, tuple[int, Behaviour]] = {
    "slow": (1, _slow),
    "cut": (1, _cut),
    "cutonce": (2, _cut_once),
    "stall": (1, _stall),
    "status": (1, _status),
    "flaky": (3, _flaky),
    "lie": (1, _lie),
    "redirect": (1, _redirects),
    "needs-cookie": (2, _cookie),
    "chunked": (0, _chunked),
    "nolength": (0, _no_length),
    "norange": (0, _no_range),
}
