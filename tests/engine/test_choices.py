from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from downloads.engine import choices, options
from downloads.engine.spec import DownloadOptions, JobSpec

SPEC = JobSpec(job_id="1", attempt=1, url="", work_directory="/tmp", proxy_url="", ffmpeg_location="")
PARTS: list[dict[str, Any]] = [
    {"format_id": "v", "filesize": 1000},
    {"format_id": "a", "filesize_approx": 500},
    {"format_id": "t", "tbr": 8},
    {"format_id": None},
]


def selection(wanted: DownloadOptions) -> tuple[str, list[str]]:
    params = options.build(replace(SPEC, options=wanted))
    return params["format"], params["format_sort"]


def test_options_of_one_key_choose_alike_and_of_two_keys_differently() -> None:
    by_key = {choices.key(wanted): selection(wanted) for wanted in choices.distinct()}
    assert len(by_key) == len(list(choices.distinct()))
    every = product(options.QUALITIES, options.VIDEO_FORMATS, options.AUDIO_FORMATS, (False, True))
    for quality, video_format, audio_format, audio_only in every:
        wanted = DownloadOptions(
            quality=quality, video_format=video_format, audio_format=audio_format, audio_only=audio_only
        )
        assert by_key[choices.key(wanted)] == selection(wanted), wanted


@pytest.mark.parametrize(
    ("custom", "chosen"),
    [("v", ["v"]), ("v+a", ["v", "a"]), ("x/v+a/t", ["v", "a"]), ("v+x/t", ["t"]), ("x", []), ("v+x", [])],
)
def test_ids_name_the_first_alternative_that_is_there_whole(custom: str, chosen: list[str]) -> None:
    assert [part["format_id"] for part in choices.by_ids(custom, PARTS)] == chosen


@pytest.mark.parametrize(
    ("custom", "duration", "size"),
    [("v+a", None, 1500), ("v+t", 10, 11_000), ("v+t", None, None), ("x", 10, None)],
)
def test_a_size_is_of_all_parts_or_unknown(custom: str, duration: float | None, size: int | None) -> None:
    assert choices.size(choices.by_ids(custom, PARTS), duration) == size
