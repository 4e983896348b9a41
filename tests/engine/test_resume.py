from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from yt_dlp.downloader.fragment import FragmentFD

from downloads.engine import resume, ytdlp

DOWNLOADER = SimpleNamespace(ytdl_filename=lambda name: f"{name}.ytdl")


def a_context(tmp_path: Path, content: bytes = b"") -> dict[str, Any]:
    part = tmp_path / "media.mp4.part"
    part.write_bytes(content)
    return {"filename": str(tmp_path / "media.mp4"), "tmpfilename": str(part), "fragment_index": 0}


def test_yt_dlp_still_has_the_seams_that_we_fill() -> None:
    ytdlp.prepare()
    assert FragmentFD._write_ytdl_file is resume.note_fragments
    assert FragmentFD._read_ytdl_file is resume.recall_fragments


def test_a_fragment_that_was_appended_but_not_noted_is_cut_off(tmp_path: Path) -> None:
    context = a_context(tmp_path)
    with Path(context["tmpfilename"]).open("ab") as stream:
        stream.write(b"first")
        resume.note_fragments(DOWNLOADER, {**context, "dest_stream": stream, "fragment_index": 1})
        stream.write(b"second")
    resume.recall_fragments(DOWNLOADER, context)
    assert context["fragment_index"] == 1
    assert "ytdl_corrupt" not in context
    assert Path(context["tmpfilename"]).read_bytes() == b"first"


def test_the_note_is_complete_at_any_time(tmp_path: Path) -> None:
    context = a_context(tmp_path)
    resume.note_fragments(DOWNLOADER, {**context, "extra_state": {"a": 1}, "fragment_count": 9})
    noted = json.loads((tmp_path / "media.mp4.ytdl").read_text())
    assert noted == {
        "downloader": {"current_fragment": {"index": 0}, "extra_state": {"a": 1}, "fragment_count": 9},
        "bytes": 0,
    }
    resume.recall_fragments(DOWNLOADER, context)
    assert context["extra_state"] == {"a": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["media.mp4.part", "media.mp4.ytdl"]


@pytest.mark.parametrize(
    "note",
    [
        "",
        "{}",
        "[]",
        '{"downloader": {"current_fragment": {"index": 1}}}',
        '{"downloader": {"current_fragment": {"index": 1}}, "bytes": 100}',
        '{"downloader": {"current_fragment": {"index": null}}, "bytes": 0}',
        None,
    ],
)
def test_a_note_that_cannot_be_right_starts_over(tmp_path: Path, note: str | None) -> None:
    context = a_context(tmp_path, b"something")
    if note is not None:
        (tmp_path / "media.mp4.ytdl").write_text(note)
    resume.recall_fragments(DOWNLOADER, context)
    assert context["ytdl_corrupt"] is True


def test_a_file_that_may_be_half_rewritten_is_discarded(tmp_path: Path) -> None:
    for name in ("media.mp4", "media.jpg", "media.f1.mp4.part", "media.mp4.ytdl", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "directory").mkdir()
    assert not resume.discard_half_rewritten(tmp_path)
    resume.mark_rewriting(tmp_path)
    assert resume.discard_half_rewritten(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"media.f1.mp4.part", "media.mp4.ytdl", ".hidden", "directory"}
    assert not resume.discard_half_rewritten(tmp_path)


def test_a_change_that_may_be_repeated_leaves_its_mark_only_when_it_is_cut_short(tmp_path: Path) -> None:
    with resume.rewriting(tmp_path):
        assert (tmp_path / ".rewriting").exists()
    assert not (tmp_path / ".rewriting").exists()
    with pytest.raises(KeyboardInterrupt), resume.rewriting(tmp_path):
        raise KeyboardInterrupt
    assert (tmp_path / ".rewriting").exists()
    with resume.rewriting(tmp_path):
        pass
    assert (tmp_path / ".rewriting").exists()
