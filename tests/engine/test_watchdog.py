from __future__ import annotations

import threading
from pathlib import Path

import pytest

from downloads.engine.watchdog import FFMPEG_PROGRESS, Watchdog, disk_bytes, ffmpeg_seconds


def test_adds_up_what_lies_in_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "b").write_bytes(bytes(20))
    (tmp_path / "link").symlink_to("/etc")
    assert disk_bytes(tmp_path) == 30 + (tmp_path / "link").lstat().st_size
    assert disk_bytes(tmp_path / "missing") == 0


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        (None, None),
        ("", None),
        ("out_time_us=N/A\n", None),
        ("out_time_us=1500000\nprogress=continue\n", 1.5),
        ("out_time_us=1500000\n" + "x=1\n" * 1000 + "out_time_us=2500000\nprogress=end\n", 2.5),
    ],
)
def test_reads_how_far_ffmpeg_has_come(tmp_path: Path, content: str | None, seconds: float | None) -> None:
    if content is not None:
        (tmp_path / FFMPEG_PROGRESS).write_text(content)
    assert ffmpeg_seconds(tmp_path) == seconds


def test_looks_until_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    seen: list[int] = []
    looked = threading.Event()

    def look(size: int) -> None:
        seen.append(size)
        looked.set()

    watchdog = Watchdog(tmp_path, look)
    watchdog.start()
    assert looked.wait(5)
    watchdog.stop()
    assert not watchdog.is_alive()
    assert set(seen) == {10}
