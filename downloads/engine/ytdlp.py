"""yt-dlp with our checks in its seams: the one class that downloads and extractions are made with."""

from __future__ import annotations

import copy
import functools
import http.cookiejar
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import yt_dlp.downloader.common
import yt_dlp.downloader.fragment
import yt_dlp.downloader.http
import yt_dlp.globals
import yt_dlp.networking.common
from yt_dlp import YoutubeDL
from yt_dlp.cookies import YoutubeDLCookieJar
from yt_dlp.downloader.external import FFmpegFD
from yt_dlp.downloader.http import HttpFD
from yt_dlp.extractor import gen_extractor_classes
from yt_dlp.extractor.common import InfoExtractor, UnsupportedURLIE
from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import RequestError
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor
from yt_dlp.utils import DownloadError, ExtractorError, PostProcessingError
from yt_dlp.utils.networking import HTTPHeaderDict

from downloads.engine import classification, clip, facts, inspection, postprocessing, resume, subtitles
from downloads.engine.artifacts import Digest
from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.spec import Stage

# Pages and manifests are read whole, and a small compressed one may be very large.
MAX_PAGE_BYTES = 64 * 1024**2
_READ_BYTES = 1024**2
_SCHEMES = frozenset({"http", "https", "data"})
_LISTED_LANGUAGES = 20
_FORGIVEN = frozenset({"EmbedSubtitle", "EmbedThumbnail", "ThumbnailsConvertor"})
_REFUSED = frozenset({ErrorCode.URL_BLOCKED, ErrorCode.DOMAIN_NOT_ALLOWED})
_report_retry = yt_dlp.downloader.common.FileDownloader.report_retry

Info = dict[str, Any]


class Listener(Protocol):
    """Who made the downloader and wants to know. Each may raise JobError, which ends the attempt."""

    def entered(self, stage: Stage) -> None: ...
    def chosen(self, info: Info) -> None: ...
    def finished(self, info: Info) -> None: ...


class Deaf:
    """For a look, where nothing is downloaded."""

    def entered(self, stage: Stage) -> None: ...
    def chosen(self, info: Info) -> None: ...
    def finished(self, info: Info) -> None: ...


class Downloader(YoutubeDL):  # type: ignore[misc]  # yt_dlp has no types
    def __init__(
        self,
        params: dict[str, Any],
        listener: Listener,
        *,
        last_words: Callable[[], str] = str,
        max_block_bytes: int = 1024**2,
    ) -> None:
        """`last_words` are those of a program that it started and that failed."""
        super().__init__(params, auto_init=False)
        _bound_blocks(max_block_bytes)
        self._listener = listener
        self._last_words = last_words
        self.heard = facts.NOTHING
        self.digest: Digest | None = None
        FFmpegPostProcessor._ffmpeg_location.set(params.get("ffmpeg_location"))  # noqa: SLF001 -- as its main() does
        self._ies.update(_extractors())

    @functools.cached_property
    def cookiejar(self) -> YoutubeDLCookieJar:
        """Sends a cookie without a leading dot to that host alone, as browsers do and Python by itself does not."""
        jar = super().cookiejar
        alone = http.cookiejar.DefaultCookiePolicy.DomainStrictNonDomain
        jar.set_policy(http.cookiejar.DefaultCookiePolicy(strict_ns_domain=alone))
        return jar

    def urlopen(self, request: Request | str) -> Response:
        _check_scheme(request if isinstance(request, str) else request.url)
        response = super().urlopen(request)
        response.read = functools.partial(_read_bounded, response.read)
        return response

    def process_subtitles(self, video_id: str, normal: Info | None, automatic: Info | None) -> Info | None:
        offered = [*(normal or ()), *((automatic or ()) if self.params.get("writeautomaticsub") else ())]
        wanted: Sequence[str] = self.params.get("subtitleslangs") or ()
        chosen = subtitles.choose(wanted, offered)
        if self.params.get("writesubtitles") and len(chosen) < len(wanted):
            self.report_warning(
                f"No subtitles for some of {', '.join(wanted)}; offered: {', '.join(offered) or 'none'}"
            )
        self.params["subtitleslangs"] = chosen or ["-all"]
        result: Info | None = super().process_subtitles(video_id, normal, automatic)
        self.params["subtitleslangs"] = wanted
        return result

    def process_info(self, info_dict: Info) -> None:
        addresses = [item.get("url") or "" for item in info_dict.get("requested_formats") or [info_dict]]
        for address in addresses:
            _check_scheme(address)
        if info_dict.get("section_start") is not None and any(map(self._sends_cookies, addresses)):
            clip.postpone(info_dict)
        self._listener.chosen(info_dict)
        super().process_info(info_dict)

    def _sends_cookies(self, address: str) -> bool:
        return bool(self.cookiejar.get_cookies_for_url(address))

    def dl(self, name: str, info: Info, subtitle: bool = False, test: bool = False) -> Any:  # noqa: FBT001, FBT002
        """A subtitle that cannot be had is no reason to do without the video."""
        try:
            return super().dl(name, info, subtitle, test)
        except (DownloadError, ExtractorError, RequestError, OSError, ValueError, JobError) as error:
            if subtitle and not (isinstance(error, JobError) and error.code not in _REFUSED):
                self.report_warning(f"A subtitle could not be downloaded: {error}")
                return False, False
            if "exited with code" in str(error):
                raise DownloadError(f"{error}: {self._last_words()}", getattr(error, "exc_info", None)) from error
            raise

    def pre_process(self, ie_info: Info, key: str = "pre_process", files_to_move: Info | None = None) -> Any:
        if key == "before_dl":
            files_to_move = self._only_safe_sidecars(ie_info, files_to_move or {})
        return super().pre_process(ie_info, key, files_to_move)

    def post_process(self, filename: str, info: Info, files_to_move: Info | None = None) -> Info:
        """The first moment when all that was downloaded lies there, and the last before ffmpeg sees it."""
        self._listener.entered("postprocessing")
        for path in info.get("__files_to_merge") or [filename]:
            _refuse_lies(Path(path))
        info["__postprocessors"] = [
            *(postprocessing.lighter(step) for step in info.get("__postprocessors") or ()),
            *clip.steps(self, info),
        ]
        self._hand_tags_to_carriers(info)
        finished: Info = super().post_process(filename, info, files_to_move)
        self._listener.finished(finished)
        return finished

    def run_pp(self, pp: Any, infodict: Info) -> Info:
        name = pp.pp_key()
        if name in resume.NOT_REPEATABLE:
            resume.mark_rewriting(Path(self.params["paths"]["home"]))
        before = _identity(infodict)
        result = self._run_forgiving(pp, name, infodict)
        if _identity(result) != before:
            result[postprocessing.TAGGED] = name in postprocessing.CARRIERS and self._adds_tags
        return result

    def save_cookies(self) -> None:
        """The file belongs to whoever wrote it, and goes with the attempt."""

    def deprecated_feature(self, message: str) -> None:
        self.write_debug(message)

    def _forceprint(self, _key: str, info_dict: Info) -> Info:
        """yt-dlp renders tables of all formats here, seven times a video, for templates that we never give."""
        return info_dict

    def _run_forgiving(self, pp: Any, name: str, info: Info) -> Info:
        try:
            result: Info = super().run_pp(pp, info)
        except PostProcessingError as error:
            if name in _FORGIVEN:
                self.report_warning(f"{name}: {error}")
                return info
            if name != "Merger" or info["ext"] == "mkv":
                raise
            return self._merge_into_mkv(pp, info)
        return result

    def _merge_into_mkv(self, pp: Any, info: Info) -> Info:
        """Which holds anything; the Container step then does what it can."""
        path = Path(info["filepath"])
        self.report_warning(f"{info['ext']} cannot hold these formats together; they are merged into mkv")
        path.with_suffix(f".temp{path.suffix}").unlink(missing_ok=True)
        info["filepath"], info["ext"] = str(path.with_suffix(".mkv")), "mkv"
        result: Info = super().run_pp(pp, info)
        return result

    @property
    def tags(self) -> postprocessing.TagsPP | None:
        steps: Iterable[Any] = self._pps["post_process"]
        return next((step for step in steps if isinstance(step, postprocessing.TagsPP)), None)

    @property
    def _adds_tags(self) -> bool:
        return self.tags is not None and self.tags.adds_metadata

    def _hand_tags_to_carriers(self, info: Info) -> None:
        arguments = self.tags.arguments(info) if self.tags else []
        for name in postprocessing.CARRIERS:
            self.params.setdefault("postprocessor_args", {})[f"{name.lower()}+ffmpeg_o"] = arguments

    def _only_safe_sidecars(self, info: Info, files: Info) -> Info:
        roles: list[tuple[inspection.Role, Info]] = [
            *(("subtitle", item) for item in (info.get("requested_subtitles") or {}).values()),
            *(("thumbnail", item) for item in info.get("thumbnails") or ()),
        ]
        for role, item in roles:
            path = Path(item.get("filepath") or "")
            if not path.is_file() or not (complaint := inspection.complaint(path, role)):
                continue
            self.report_warning(f"{complaint}; it is left out")
            path.unlink()
            files.pop(item.pop("filepath"), None)
        return files


def _retry_unless_refused(downloader: Any, err: Exception, *arguments: Any, **options: Any) -> None:
    """yt-dlp asks for a fragment again whatever the answer was; the guard's will not change."""
    if refusal := classification.refusal(err):
        raise refusal
    _report_retry(downloader, err, *arguments, **options)


class RequestOfItsOwn(Request):  # type: ignore[misc]  # yt_dlp has no types
    """yt-dlp's requests share the headers they are given: the one without a range, by which its downloader finds out
    that a partial file is already whole, would have the range of the one before it, and fail as that one did.
    """

    def __init__(self, url: str, data: Any = None, headers: Any = None, *more: Any, **named: Any) -> None:
        super().__init__(url, data, HTTPHeaderDict(headers), *more, **named)


@functools.cache
def _extractors() -> dict[str, type[InfoExtractor]]:
    """All that yt-dlp enables by default, in its order; sorting them out costs 40 ms a time."""
    enabled = [extractor for extractor in gen_extractor_classes() if extractor._ENABLED]  # noqa: SLF001
    return {extractor.ie_key(): extractor for extractor in (*enabled, UnsupportedURLIE)}


def _bound_blocks(size: int) -> None:
    """Of the whole process: yt-dlp doubles them up to 4 MB, and looks up from them only in between."""
    grow = yt_dlp.downloader.common.FileDownloader.best_block_size
    HttpFD.best_block_size = staticmethod(lambda elapsed, read: min(grow(elapsed, read), size))


def _withhold_cookies(fetch: Callable[..., Any]) -> Callable[..., Any]:
    """yt-dlp hands ffmpeg the cookies on its command line, for everybody on the machine to read: it gets none."""

    @functools.wraps(fetch)
    def fetch_without(self: Any, filename: str, info: Info) -> Any:
        downloader = self.ydl
        if downloader.cookiejar.get_cookies_for_url(info.get("url") or ""):
            downloader.report_warning("ffmpeg fetches this, and cookies are not given to it")
        self.ydl = copy.copy(downloader)
        self.ydl.cookiejar = YoutubeDLCookieJar()
        try:
            return fetch(self, filename, info)
        finally:
            self.ydl = downloader

    return fetch_without


def _check_scheme(url: str) -> None:
    scheme = urlsplit(url).scheme.lower()
    if scheme not in _SCHEMES:
        raise JobError(ErrorCode.URL_BLOCKED, f"Only http and https are allowed, not {scheme or 'this address'}")


def _read_bounded(read: Callable[..., bytes], size: int | None = None) -> bytes:
    if size is not None:
        return read(size)
    parts: list[bytes] = []
    left = MAX_PAGE_BYTES
    while part := read(_READ_BYTES):
        left -= len(part)
        if left < 0:
            raise JobError(ErrorCode.TOO_LARGE, f"A page or manifest has more than {MAX_PAGE_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _refuse_lies(path: Path) -> None:
    if complaint := inspection.complaint(path, "media"):
        path.unlink()
        raise JobError(ErrorCode.UNSAFE_CONTENT, complaint)


def _identity(info: Info) -> tuple[object, ...]:
    path = info.get("filepath")
    try:
        status = Path(path).stat() if path else None
    except OSError:
        status = None
    return (path, status and status.st_ino)


def plain(info: Info) -> Info:
    """Without yt-dlp's private keys and objects."""
    result: Info = YoutubeDL.sanitize_info(dict(info), remove_private_keys=True)
    return result


def prepare() -> None:
    """Once a process, before the first downloader: what makes yt-dlp ours, and what later ones share."""
    yt_dlp.globals.plugin_dirs.value = []
    yt_dlp.globals.all_plugins_loaded.value = True
    postprocessing.register()
    yt_dlp.downloader.common.FileDownloader.report_retry = _retry_unless_refused
    fragments = yt_dlp.downloader.fragment.FragmentFD
    fragments._write_ytdl_file = resume.note_fragments  # noqa: SLF001
    fragments._read_ytdl_file = resume.recall_fragments  # noqa: SLF001
    if not hasattr(FFmpegFD._call_downloader, "__wrapped__"):  # noqa: SLF001
        FFmpegFD._call_downloader = _withhold_cookies(FFmpegFD._call_downloader)  # noqa: SLF001
    yt_dlp.downloader.http.Request = RequestOfItsOwn
    # Reading all root certificates costs 22 ms for each handler of each job; the context is never changed.
    networking = yt_dlp.networking.common
    if not hasattr(networking.make_ssl_context, "cache_info"):
        networking.make_ssl_context = functools.lru_cache(maxsize=8)(networking.make_ssl_context)
    _extractors()
