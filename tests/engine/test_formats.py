"""What is said of formats, without a site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from downloads.engine import formats, options, ytdlp
from downloads.engine.logs import JobLog
from downloads.engine.spec import JobSpec

SPEC = JobSpec(job_id="1", attempt=1, url="", work_directory="/tmp", proxy_url="", ffmpeg_location="")


@pytest.fixture
def downloader() -> Iterator[ytdlp.Downloader]:
    ytdlp.prepare()
    params = options.build(SPEC) | {"postprocessors": []}
    with closing(ytdlp.Downloader(params, ytdlp.Deaf())) as made:
        yield made


def video(name: str, width: int, height: int, **known: Any) -> dict[str, Any]:
    return {
        "format_id": name,
        "url": f"http://a.example/{name}",
        "ext": "mp4",
        "protocol": "https",
        "width": width,
        "height": height,
        "vcodec": "avc1.640028",
        "acodec": "none",
        **known,
    }


def audio(name: str, **known: Any) -> dict[str, Any]:
    stream = {"ext": "m4a", "vcodec": "none", "acodec": "mp4a.40.2", "protocol": "https"}
    return {"format_id": name, "url": f"http://a.example/{name}", **stream, **known}


def presets(downloader: ytdlp.Downloader, *offered: dict[str, Any], **known: Any) -> dict[str, dict[str, Any]]:
    info = {"id": "1", "formats": list(offered), **known}
    listed = formats.summary(downloader, SPEC, info, offered)["presets"]
    return {preset["quality"]: preset for preset in listed}


def available(found: dict[str, dict[str, Any]]) -> set[str]:
    return {quality for quality, preset in found.items() if preset["available"]}


def test_each_quality_takes_the_largest_that_is_not_larger(downloader: ytdlp.Downloader) -> None:
    sizes = [(640, 360), (1280, 720), (1920, 1080), (3840, 2160)]
    found = presets(downloader, audio("a"), *(video(str(height), width, height) for width, height in sizes))
    assert {quality: preset["format"] for quality, preset in found.items()} == {
        "best": "2160+a",
        "2160p": "2160+a",
        "1440p": "1080+a",
        "1080p": "1080+a",
        "720p": "720+a",
        "480p": "360+a",
        "360p": "360+a",
        "audio": "a",
    }
    assert available(found) == {"best", "2160p", "1080p", "720p", "360p", "audio"}


@pytest.mark.parametrize(("width", "height"), [(1920, 800), (1080, 1920), (1440, 1080)])
def test_a_wide_and_an_upright_film_are_of_the_quality_they_are_called(
    downloader: ytdlp.Downloader, width: int, height: int
) -> None:
    assert available(presets(downloader, audio("a"), video("v", width, height))) == {"best", "1080p", "audio"}


def test_sizes_are_of_all_that_is_fetched(downloader: ytdlp.Downloader) -> None:
    said = video("v", 1280, 720, filesize=1000)
    assert presets(downloader, audio("a", filesize_approx=500), said)["best"]["size_bytes"] == 1500
    assert presets(downloader, audio("a", tbr=8), said, duration=10)["best"]["size_bytes"] == 11_000
    assert presets(downloader, audio("a"), said)["best"]["size_bytes"] is None


def test_a_film_without_sound_offers_none(downloader: ytdlp.Downloader) -> None:
    found = presets(downloader, video("v", 1280, 720))
    assert found["best"]["format"] == "v"
    assert not found["audio"]["available"]


def test_sound_alone_offers_no_film(downloader: ytdlp.Downloader) -> None:
    found = presets(downloader, audio("a"))
    assert available(found) == {"best", "audio"}


def test_what_yt_dlp_calls_outdated_is_no_warning_to_anybody(downloader: ytdlp.Downloader) -> None:
    said: list[str] = []
    log = JobLog(lambda level, message: said.append(f"{level}: {message}"), "/tmp")
    downloader.params |= {"logger": log, "format_sort": ["colour"], "verbose": True}
    downloader.sort_formats({"formats": [video("v", 1280, 720), audio("a")]})
    assert log.warnings == []
    assert any(words.startswith("debug: ") and "(colour)" in words for words in said)


def test_storyboards_are_no_media() -> None:
    assert not formats.is_media({"format_id": "sb0", "vcodec": "none", "acodec": "none"})
    assert formats.is_media({"format_id": "0"})


@pytest.mark.parametrize(
    "languages",
    [None, [], {"en": "no list"}, {"en": [None, "x"]}, {5: [{"ext": "vtt"}]}, {"": [{"ext": "vtt"}]}],
)
def test_odd_subtitles_do_no_harm(downloader: ytdlp.Downloader, languages: Any) -> None:
    offered = [audio("a")]
    found = formats.summary(downloader, SPEC, {"formats": offered, "subtitles": languages}, offered)["subtitles"]
    assert found in ({}, {"en": []})


def test_subtitles_are_told_in_all_their_forms(downloader: ytdlp.Downloader) -> None:
    offered = [audio("a")]
    tracks = {"en": [{"ext": "vtt", "name": "English", "url": "http://a.example/en?token=secret"}, {"ext": "srt"}]}
    found = formats.summary(downloader, SPEC, {"formats": offered, "subtitles": tracks}, offered)["subtitles"]
    assert found == {"en": [{"ext": "vtt", "name": "English"}, {"ext": "srt", "name": None}]}


def test_odd_values_are_left_out() -> None:
    told = formats.represent({"format_id": 7, "width": -1, "fps": float("inf"), "vcodec": "none", "ext": ["mp4"]})
    assert {name for name, value in told.items() if value is not None} == {"streams"}
