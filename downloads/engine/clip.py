"""A part of the media, cut here: where ffmpeg may not fetch it, since it would need cookies on its command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor
from yt_dlp.utils import prepend_extension

from downloads.engine import facts
from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.marking import gettext_noop
from downloads.engine.metadata import clean_number
from downloads.engine.postprocessing import Result

_POSTPONED = "__clip"
_TIME = re.compile(r"time=(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def postpone(info: dict[str, Any]) -> None:
    """Has the whole be fetched as if no part had been asked for. Raises JobError for a part that is not there."""
    start, end = info.pop("section_start"), info.pop("section_end", None)
    if start >= (clean_number(info.get("duration")) or float("inf")):
        raise JobError(ErrorCode.FORMAT_UNAVAILABLE, gettext_noop("The clip starts after the end of the media"))
    info[_POSTPONED] = (start, end)


def steps(downloader: Any, info: dict[str, Any]) -> Iterator[ClipPP]:
    if part := info.pop(_POSTPONED, None):
        yield ClipPP(downloader, *part)


class ClipPP(FFmpegPostProcessor):  # type: ignore[misc]  # yt_dlp has no types
    """Encodes anew, as ffmpeg does when it fetches a part: cuts between key frames would be seconds off."""

    def __init__(self, downloader: Any = None, start: float = 0, end: float | None = None) -> None:
        super().__init__(downloader)
        self._start = start
        self._end = end

    def run(self, info: dict[str, Any]) -> Result:
        path = info["filepath"]
        unfinished = prepend_extension(path, "clip")
        try:
            words = self.real_run_ffmpeg([(path, self._part())], [(unfinished, [])])
            seconds = _seconds_written(words)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(unfinished).unlink()
            raise
        Path(unfinished).replace(path)
        self._downloader.heard = replace(facts.from_ffmpeg(words), duration=seconds)
        return [], info

    def _part(self) -> list[str]:
        length = [] if self._end is None else ["-t", str(self._end - self._start)]
        return ["-ss", str(self._start), *length]


def _seconds_written(words: str) -> float:
    """By the last of ffmpeg's reports. Raises JobError when it has written nothing."""
    times = _TIME.findall(words)
    hours, minutes, seconds = times[-1] if times else (0, 0, 0)
    if not (written := int(hours) * 3600 + int(minutes) * 60 + float(seconds)):
        raise JobError(ErrorCode.FORMAT_UNAVAILABLE, gettext_noop("There is nothing between the clip's start and end"))
    return written
