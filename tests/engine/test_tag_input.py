"""Titles and addresses reach ffmpeg by an input: arguments can be read by every user of the machine."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from downloads.engine import tag_input
from tests.engine.attempts import FFMPEG, Run, tags_of

MARKER = "Only-for-my-eyes"
ODD = "a=b;c#d\\e\nf 'g' \"h\" \u2603 " + "x" * 100_000
# As ffmpeg writes it down.
ODD_ESCAPED = (
    ODD.replace("\\", "\\\\").replace("=", "\\=").replace(";", "\\;").replace("#", "\\#").replace("\n", "\\\n")
)


@contextmanager
def watched() -> Iterator[set[str]]:
    """The arguments of every process that a look into /proc finds, until the end of the block: most, not all."""
    seen: set[str] = set()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    seen.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/dash/manifest.mpd", {}),
        ("/hls/plain/master.m3u8", {}),
        ("/video.webm", {"video_format": "webm"}),
        ("/clip.mp4", {"audio_only": True, "audio_format": "mp3"}),
    ],
)
def test_no_process_has_the_address_in_its_arguments(run: Run, path: str, options: dict[str, object]) -> None:
    with watched() as seen:
        outcome = run(f"{path}?{MARKER}", **options)
    assert MARKER in tags_of(outcome.main_path)["comment"]
    assert [arguments for arguments in seen if MARKER in arguments] == []


def test_tags_arrive_as_they_were_and_before_those_of_the_media(tmp_path: Path, media_dir: Path) -> None:
    source, target = tmp_path / "source.mkv", tmp_path / "target.mkv"
    made = ["-metadata", "title=of the media", "-metadata", "show=of the media", "-c", "copy"]
    subprocess.run([FFMPEG, "-i", media_dir / "clip.mp4", *made, source], check=True, capture_output=True)
    told = ["-metadata", f"title={ODD}", "-metadata:s:0", "language=eng", "-c", "copy"]
    with tag_input.without_tags([FFMPEG, "-i", str(source), *told, str(target)]) as (command, descriptors):
        assert "a=b" not in " ".join(command)
        subprocess.run(command, pass_fds=descriptors, check=True, capture_output=True)
    asked = subprocess.run([FFMPEG, "-i", target, "-f", "ffmetadata", "-"], check=True, capture_output=True)
    assert f"title={ODD_ESCAPED}\n" in asked.stdout.decode()
    assert tags_of(target)["show"] == "of the media"


def test_a_command_without_tags_is_left_alone() -> None:
    command = [FFMPEG, "-i", "one", "-metadata:s:0", "language=eng", "two"]
    with tag_input.without_tags(command) as (same, descriptors):
        assert (same, descriptors) == (command, ())


def test_nothing_stays_open() -> None:
    with tag_input.without_tags([FFMPEG, "-i", "one", "-metadata", "title=x", "two"]) as (_, (descriptor,)):
        assert os.fstat(descriptor).st_size > 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
