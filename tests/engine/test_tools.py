from __future__ import annotations

import sys
from pathlib import Path

import pytest

from downloads.engine import tools
from tests.engine.attempts import FFMPEG


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> None:
    tools.find_ffmpeg.cache_clear()
    tools.find_javascript.cache_clear()


def test_the_given_ffmpeg_is_taken_or_none(tmp_path: Path) -> None:
    (tmp_path / "ffmpeg").touch()
    assert tools.find_ffmpeg(str(tmp_path)) == tools.find_ffmpeg(str(tmp_path / "ffmpeg")) == str(tmp_path / "ffmpeg")
    assert tools.find_ffmpeg(str(tmp_path / "absent")) is None


def test_without_one_on_the_path_it_is_the_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.find_ffmpeg() == FFMPEG


def test_says_when_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for wheel in ("imageio_ffmpeg", "deno"):
        monkeypatch.setitem(sys.modules, wheel, None)
    assert tools.find_ffmpeg() is None
    assert tools.find_javascript() is None
    assert tools.javascript_params() == {}


def test_asks_programs_for_their_version(tmp_path: Path) -> None:
    deno = tools.find_javascript()
    assert deno is not None
    assert (tools.version_of(FFMPEG) or "").startswith("ffmpeg version")
    assert (tools.version_of(deno) or "").startswith("deno")
    assert tools.version_of(str(tmp_path / "absent")) is None
    assert tools.version_of("/bin/false") is None
