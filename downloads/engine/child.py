"""One attempt, inside its own process: extract, download, check, process, seal, and tell all of it as events.

Parentage, sandbox and time limit are the business of whoever forks us, who may end us at any moment.
"""

from __future__ import annotations

import json
import math
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.utils import download_range_func

from downloads.engine import artifacts, facts, infojson, options, resume, tools, warming, ytdlp
from downloads.engine.artifacts import Artifact
from downloads.engine.errors import ErrorCode, JobError, classify
from downloads.engine.logs import JobLog
from downloads.engine.marking import gettext_noop
from downloads.engine.metadata import NAME_CHARACTERS, TITLE_CHARACTERS, clean_number, clean_text, metadata
from downloads.engine.progress import POSTPROCESSED_PERCENT, Part, part_key, parts_of
from downloads.engine.redaction import redact
from downloads.engine.reporter import Emit, Reporter
from downloads.engine.spec import JobSpec, Stage
from downloads.engine.watchdog import FFMPEG_PROGRESS, Watchdog, ffmpeg_seconds

_STDERR = 2
_STDERR_TAIL_BYTES = 2000
_FAILED = 1

warm = warming.warm


def run(spec: JobSpec, emit: Emit) -> int:
    """The exit status; every failure is an `error` event too."""
    attempt = Attempt(spec, Reporter(emit, spec.limits, time.monotonic))
    with attempt.watched():
        try:
            attempt.download()
        except BaseException as error:  # noqa: BLE001 -- the frame below the process's last: everything is told
            attempt.fail(error)
            return _FAILED
    return 0


class Attempt:
    """Listens to the downloader (see `ytdlp.Listener`) and turns what it hears into events."""

    def __init__(self, spec: JobSpec, reporter: Reporter) -> None:
        self._spec = spec
        self._work = Path(spec.work_directory)
        self._reporter = reporter
        self._log = JobLog(reporter.log, spec.work_directory)
        self._words = _keep_stderr()
        self._result: ytdlp.Info | None = None
        self._key = ""
        self._clip_seconds: float | None = None

    def download(self) -> None:
        self._reporter.enter("extracting")
        if urlsplit(self._spec.url).scheme.lower() not in {"http", "https"}:
            raise JobError(ErrorCode.UNSUPPORTED_URL, gettext_noop("Only http and https URLs can be downloaded"))
        if resume.discard_half_rewritten(self._work):
            self._log.warning("An earlier attempt ended while it changed the finished file; it is downloaded again")
        (self._work / FFMPEG_PROGRESS).unlink(missing_ok=True)
        block = options.block_bytes(self._spec.limits.max_bytes)
        made = ytdlp.Downloader(self._params(), self, last_words=self._last_words, max_block_bytes=block)
        with closing(made) as downloader:
            downloader.extract_info(self._spec.url)
            self._hand_over(downloader.heard, downloader.digest)

    def fail(self, error: BaseException) -> None:
        failure = classify(error, self._log.warnings)
        if failure.code in {ErrorCode.INTERNAL_ERROR, ErrorCode.EXTRACTOR_ERROR}:
            self._log.error("".join(traceback.format_exception(error)[-8:]))
        self._reporter.fail(failure)

    @contextmanager
    def watched(self) -> Iterator[None]:
        watchdog = Watchdog(self._work, self._look)
        watchdog.start()
        try:
            yield
        finally:
            watchdog.stop()

    def entered(self, stage: Stage) -> None:
        self._reporter.enter(stage)

    def chosen(self, info: ytdlp.Info) -> None:
        """Formats are chosen and nothing is downloaded yet: the last moment to refuse for nothing."""
        if self._spec.playlist_index is not None:
            info |= {"playlist": self._spec.playlist, "playlist_index": self._spec.playlist_index}
        self._key, self._clip_seconds = part_key(info), _clip_seconds(info)
        total = self._reporter.plan(self._parts(info))
        self._reporter.event(
            "info",
            title=clean_text(info.get("title"), TITLE_CHARACTERS),
            duration=clean_number(info.get("duration")),
            format=clean_text(info.get("format"), NAME_CHARACTERS),
            metadata={**metadata(info), "extractor_key": clean_text(info.get("extractor_key"), NAME_CHARACTERS)},
            total_bytes=total,
        )
        self._reporter.enter("downloading")

    def _parts(self, info: ytdlp.Info) -> list[Part]:
        """Raises JobError for what need not be begun."""
        if self._clip_seconds is None:
            exact = [item.get("filesize") for item in info.get("requested_formats") or [info]]
            self._reporter.announce(sum(filter(None, exact)))
            return parts_of(info)
        if info["section_start"] >= (clean_number(info.get("duration")) or math.inf):
            raise JobError(ErrorCode.FORMAT_UNAVAILABLE, gettext_noop("The clip starts after the end of the media"))
        return [Part(key=self._key, size=None, weight=1.0)]  # ffmpeg fetches what it needs of all formats at once

    def finished(self, info: ytdlp.Info) -> None:
        self._result = dict(info)  # yt-dlp empties its own afterwards

    def _last_words(self) -> str:
        return redact(self._words(), self._spec.work_directory)

    def _params(self) -> dict[str, Any]:
        """The pure options, and what takes callables or a look at this machine."""
        chosen = self._spec.options
        params = options.build(self._spec)
        params |= tools.javascript_params()
        params["logger"] = self._log
        params["progress_hooks"] = [self._reporter.arrived]
        params["retry_sleep_functions"] = {"http": _pause, "fragment": _pause, "extractor": _pause}
        if chosen.clip_start_sec is not None or chosen.clip_end_sec is not None:
            end = math.inf if chosen.clip_end_sec is None else chosen.clip_end_sec
            params["download_ranges"] = download_range_func([], [(chosen.clip_start_sec or 0, end)])
            params["force_keyframes_at_cuts"] = True
        return params

    def _hand_over(self, heard: facts.Facts, known: artifacts.Digest | None) -> None:
        info = self._result
        if info is None:
            item = self._spec.playlist_item
            what = f"The list has no item {item}" if item else "There is no media at this URL"
            raise JobError(ErrorCode.NOT_FOUND, what)
        self._reporter.rise_to(POSTPROCESSED_PERCENT)
        self._reporter.enter("publishing")
        files = artifacts.found(info, self._work)
        if self._spec.options.write_info_json:
            files.append(self._info_json(info))
        for artifact in files:
            size, sums = artifacts.seal(artifact, self._work, known)
            described = artifacts.describe(artifact, info, heard)
            if self._clip_seconds is not None and artifact.is_main and not (described["vcodec"] or described["acodec"]):
                raise JobError(
                    ErrorCode.FORMAT_UNAVAILABLE, gettext_noop("There is nothing between the clip's start and end")
                )
            self._reporter.event("file", **described, size_bytes=size, **asdict(sums))
        artifacts.flush_directory(self._work)
        self._reporter.rise_to(100.0)
        self._reporter.end("done")

    def _info_json(self, info: ytdlp.Info) -> Artifact:
        path = self._work / infojson.FILE_NAME
        path.write_text(json.dumps(infojson.scrub(ytdlp.plain(info)), ensure_ascii=False, allow_nan=False))
        return Artifact(path=path, kind="info_json")

    def _look(self, disk_bytes: int) -> None:
        """In the watchdog's thread: the main one may be stuck in a system call or waiting for ffmpeg."""
        written = ffmpeg_seconds(self._work)
        if written is not None:  # an ffmpeg downloads, and calls no hooks
            share = {"fragment_index": min(written, self._clip_seconds or 0), "fragment_count": self._clip_seconds}
            self._reporter.advance(self._key, {"downloaded_bytes": disk_bytes, **share})
        failure = self._reporter.verdict(disk_bytes)
        if failure and self._reporter.fail(failure):
            os._exit(_FAILED)


def _clip_seconds(info: ytdlp.Info) -> float | None:
    """The length of the wanted part; 0 where its end is not known, None for all of the media."""
    start, end = info.get("section_start"), info.get("section_end")
    return None if start is None else max((end or start) - start, 0.0)


def _pause(n: int) -> float:
    return float(min(0.25 * 2**n, 5.0))


def _keep_stderr() -> Callable[[], str]:
    """ffmpeg, when it downloads by itself, says only there what went wrong. Returns a look at the last of it."""
    memory = os.memfd_create("stderr")
    os.dup2(memory, _STDERR)

    def last_words() -> str:
        size = os.fstat(memory).st_size
        return os.pread(memory, _STDERR_TAIL_BYTES, max(0, size - _STDERR_TAIL_BYTES)).decode("utf-8", "replace")

    return last_words
