"""A look without a download, inside the child: a page's media with its formats, or the entries of a list.

A list is read as it comes and told in small pieces, so that a long one is never held here. What leaves are known
fields only, clipped: no address of a format, which would carry the session that fetched it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

from yt_dlp.utils import unsmuggle_url

from downloads.engine import formats, options, tools, ytdlp
from downloads.engine.errors import ErrorCode, JobError, classify
from downloads.engine.logs import JobLog
from downloads.engine.marking import gettext_noop
from downloads.engine.metadata import NAME_CHARACTERS, clean_number, clean_text, metadata
from downloads.engine.reporter import Emit, Reporter
from downloads.engine.spec import JobSpec, ProbeRequest

# An event is a line of 1 MiB at most.
ITEMS_PER_EVENT = 20
MAX_HOPS = 10
MAX_TABS = 4
LISTS = frozenset({"playlist", "multi_video", "compat_list"})
ENTRY_FIELDS = ("id", "title", "duration", "thumbnail", "uploader", "upload_date", "view_count")
LIST_FIELDS = ("id", "title", "description", "uploader", "uploader_url", "channel_id", "channel_url", "thumbnail")


def run(spec: JobSpec, request: ProbeRequest, emit: Emit) -> int:
    """The exit status; every failure is an `error` event too."""
    reporter = Reporter(emit, spec.limits, time.monotonic)
    log = JobLog(lambda _level, _message: None, spec.work_directory)
    try:
        with closing(ytdlp.Downloader(_params(spec, request, log), ytdlp.Deaf())) as downloader:
            look = _look_at_media if request.kind == "media" else _look_at_list
            look(downloader, spec, request, reporter)
    except BaseException as error:  # noqa: BLE001 -- the frame below the process's last: everything is told
        reporter.fail(classify(error, log.warnings))
        return 1
    reporter.end("done")
    return 0


def _params(spec: JobSpec, request: ProbeRequest, log: JobLog) -> dict[str, Any]:
    params = options.build(spec) | tools.javascript_params() | {"postprocessors": [], "logger": log}
    if request.kind == "list":
        del params["playlist_items"]
        # A channel's pages say "two weeks ago", which is better than nothing to filter by.
        params |= {"noplaylist": False, "extractor_args": {"youtubetab": {"approximate_date": [""]}}}
    return params


# --- One page ---------------------------------------------------------------------------------------------------


def _look_at_media(downloader: ytdlp.Downloader, spec: JobSpec, request: ProbeRequest, reporter: Reporter) -> None:
    info = _first(downloader.extract_info(spec.url, download=False))
    offered = [item for item in info.get("formats") or [info] if formats.is_media(item)]
    reporter.event("result", result={"metadata": metadata(info), **formats.summary(downloader, spec, info, offered)})
    _tell(reporter, map(formats.represent, islice(offered, request.max_items)))


def _first(info: ytdlp.Info | None) -> ytdlp.Info:
    while info is not None and info.get("_type") in LISTS:
        info = next(iter(info.get("entries") or ()), None)
    if info is None:
        raise JobError(ErrorCode.NOT_FOUND, gettext_noop("There is no media at this URL"))
    return info


# --- A list -----------------------------------------------------------------------------------------------------


def _look_at_list(downloader: ytdlp.Downloader, spec: JobSpec, request: ProbeRequest, reporter: Reporter) -> None:
    found = _resolve(downloader, {"_type": "url", "url": spec.url})
    if found.get("_type") not in LISTS:
        raise JobError(ErrorCode.UNSUPPORTED_URL, gettext_noop("There is a single item at this URL, and no list"))
    reporter.event("result", result=_described(found))
    entries = islice(_entries(downloader, found), request.max_items + 1)
    numbered = (_entry(entry, number, spec.url) for number, entry in enumerate(entries, start=1))
    _tell(reporter, numbered)


def _resolve(downloader: ytdlp.Downloader, found: ytdlp.Info) -> ytdlp.Info:
    """Follows addresses until there is something; entries of lists stay as the site lists them."""
    for _ in range(MAX_HOPS):
        if found.get("_type") not in {"url", "url_transparent"}:
            return found
        following = downloader.extract_info(found["url"], ie_key=found.get("ie_key"), download=False, process=False)
        if following is None:
            raise JobError(ErrorCode.NOT_FOUND, gettext_noop("There is no media at this URL"))
        found = following
    raise JobError(ErrorCode.UNSUPPORTED_URL, gettext_noop("The URL leads from address to address without end"))


def _entries(downloader: ytdlp.Downloader, found: ytdlp.Info) -> Iterator[ytdlp.Info]:
    """In the site's order. A channel's front page lists its tabs: then it is what the tabs list."""
    entries = iter(entry for entry in found.get("entries") or () if entry)
    head = list(islice(entries, MAX_TABS + 1))
    if head and len(head) <= MAX_TABS and all(_is_tab(entry, found) for entry in head):
        for tab in head:
            yield from (entry for entry in _resolve(downloader, tab).get("entries") or () if entry)
    else:
        yield from chain(head, entries)


def _is_tab(entry: ytdlp.Info, of: ytdlp.Info) -> bool:
    return entry.get("_type") in LISTS or (
        entry.get("_type") == "url" and bool(entry.get("ie_key")) and entry.get("ie_key") == of.get("extractor_key")
    )


def _described(found: ytdlp.Info) -> dict[str, Any]:
    known = metadata({**found, "thumbnail": _thumbnail(found)})
    return {
        **{name: known[name] for name in LIST_FIELDS},
        "uploader": known["uploader"] or metadata({"uploader": found.get("channel")})["uploader"],
        "url": known["webpage_url"],
        "extractor": known["extractor"],
        "subscriber_count": _count(found.get("channel_follower_count")),
        "count": _count(found.get("playlist_count")),
    }


def _entry(entry: ytdlp.Info, number: int, list_url: str) -> dict[str, Any]:
    """An entry without a page of its own is item `playlist_index` of the list's page."""
    address, passed_on = unsmuggle_url(entry.get("url") if entry.get("_type") in {"url", "url_transparent"} else "", {})
    known = metadata(
        {
            **entry,
            "id": entry.get("id") or passed_on.get("force_videoid"),
            "thumbnail": _thumbnail(entry),
            "upload_date": entry.get("upload_date") or _date(entry),
            "uploader": entry.get("uploader") or entry.get("channel"),
            "webpage_url": entry.get("webpage_url") or address,
        }
    )
    fields = {name: known[name] for name in ENTRY_FIELDS}
    extractor = clean_text(entry.get("ie_key") or entry.get("extractor_key"), NAME_CHARACTERS)
    return {**fields, "extractor": extractor, "url": known["webpage_url"] or list_url, "playlist_index": number}


def _thumbnail(info: ytdlp.Info) -> object:
    """yt-dlp lists them from worst to best."""
    listed = [item.get("url") for item in info.get("thumbnails") or () if isinstance(item, dict)]
    return info.get("thumbnail") or (listed[-1] if listed else None)


def _date(entry: ytdlp.Info) -> str | None:
    moment = clean_number(entry.get("timestamp") or entry.get("release_timestamp"))
    try:
        return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y%m%d")
    except (ValueError, OverflowError, OSError):
        return None


def _count(value: object) -> int | None:
    number = clean_number(value)
    return None if number is None or number < 0 else int(number)


def _tell(reporter: Reporter, items: Iterable[dict[str, Any]]) -> None:
    for some in _batches(items):
        reporter.event("items", items=some)


def _batches(items: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    left = iter(items)
    while some := list(islice(left, ITEMS_PER_EVENT)):
        yield some
