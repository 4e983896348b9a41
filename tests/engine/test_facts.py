from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from downloads.engine.facts import NOTHING, Facts, combine, from_ffmpeg, from_info
from downloads.engine.tools import find_ffmpeg

SEEN = Facts(duration=8.0, width=320, height=180, vcodec="h264", acodec="aac")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip.mp4", SEEN),
        ("video.webm", Facts(duration=2.01, width=160, height=90, vcodec="vp8", acodec="opus")),
        ("audio.mp3", Facts(duration=8.05, acodec="mp3")),
    ],
)
def test_reads_what_ffmpeg_says_of_its_input(media_dir: Path, name: str, expected: Facts) -> None:
    words = subprocess.run([find_ffmpeg() or "", "-i", media_dir / name], capture_output=True, text=True, check=False)
    found = from_ffmpeg(words.stderr)
    # Versions of ffmpeg count an mp3's padding differently.
    assert found.duration == pytest.approx(expected.duration, abs=0.1)
    assert replace(found, duration=expected.duration) == expected


def test_what_was_written_counts_more_than_what_was_read(media_dir: Path, tmp_path: Path) -> None:
    command = [find_ffmpeg() or "", "-i", str(media_dir / "clip.mp4"), "-vn", str(tmp_path / "a.flac")]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert from_ffmpeg(words) == Facts(duration=8.0, acodec="flac")


def test_silence_says_nothing() -> None:
    assert from_ffmpeg("") == NOTHING


def test_reads_what_the_site_said() -> None:
    info = {"duration": 7, "width": 640.0, "height": 0, "vcodec": "vp9", "acodec": "none"}
    assert from_info(info) == Facts(duration=7, width=640, vcodec="vp9")
    assert from_info({"width": "wide"}) == NOTHING


def test_streams_that_were_seen_are_the_truth() -> None:
    said = Facts(duration=9.0, width=1920, height=1080, vcodec="vp9", acodec="opus")
    assert combine(Facts(acodec="mp3"), said) == Facts(duration=9.0, acodec="mp3")
    assert combine(SEEN, said) == SEEN
    assert combine(NOTHING, said) == said
    assert combine(Facts(duration=2.0), said).duration == 2.0
