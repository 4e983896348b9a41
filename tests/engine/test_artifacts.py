from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest

from downloads.engine.artifacts import Artifact, Digest, describe, flush_directory, found, seal
from downloads.engine.checksums import Checksums
from downloads.engine.errors import JobError
from downloads.engine.facts import NOTHING, Facts


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


def sums_of(content: bytes) -> Checksums:
    return Checksums(sha256=hashlib.sha256(content).hexdigest(), crc32=zlib.crc32(content))


def put(work: Path, name: str, content: bytes = b"x") -> str:
    (work / name).write_bytes(content)
    return str(work / name)


def test_finds_the_files_that_the_info_dict_names_and_no_others(work: Path) -> None:
    info = {
        "filepath": put(work, "media.mp4"),
        "requested_subtitles": {"en": {"filepath": put(work, "media.en.srt")}, "de": {"ext": "srt"}},
        "thumbnails": [{"url": "small"}, {"filepath": put(work, "media.jpg")}],
    }
    for leftover in ("media.f137.mp4", "media.mp4.part", "media.mp4.ytdl", "media.temp.mp4", "other.mp4"):
        put(work, leftover)
    assert [(item.path.name, item.kind, item.is_main, item.language) for item in found(info, work)] == [
        ("media.mp4", "media", True, None),
        ("media.en.srt", "subtitle", False, "en"),
        ("media.jpg", "thumbnail", False, None),
    ]


def test_sidecars_that_are_gone_are_not_reported(work: Path) -> None:
    info = {
        "filepath": put(work, "media.mp4"),
        "requested_subtitles": {"en": {"filepath": str(work / "embedded.srt")}},
        "thumbnails": [{"filepath": str(work / "embedded.jpg")}],
    }
    assert [item.path.name for item in found(info, work)] == ["media.mp4"]


def test_sidecars_elsewhere_are_not_reported(work: Path) -> None:
    outside = put(work.parent, "outside.srt")
    (work / "link.srt").symlink_to(outside)
    subtitles = {"en": {"filepath": outside}, "de": {"filepath": str(work / "link.srt")}}
    info = {"filepath": put(work, "media.mp4"), "requested_subtitles": subtitles}
    assert [item.path.name for item in found(info, work)] == ["media.mp4"]


def test_seals_with_size_and_digest(work: Path) -> None:
    content = bytes(range(256)) * 10_000
    artifact = Artifact(path=Path(put(work, "media.mp4", content)), kind="media")
    assert seal(artifact, work) == (len(content), sums_of(content))
    flush_directory(work)


def test_a_digest_that_is_known_is_taken_while_nobody_wrote(work: Path) -> None:
    artifact = Artifact(path=Path(put(work, "media.mp4", b"first")), kind="media")
    nonsense = Checksums(sha256="0" * 64, crc32=1)
    known = Digest.of(artifact.path, nonsense)
    assert seal(artifact, work, known) == (5, nonsense)
    put(work, "media.mp4", b"second")
    assert seal(artifact, work, known) == (6, sums_of(b"second"))


def test_refuses_links_directories_and_files_elsewhere(work: Path) -> None:
    (work / "link.mp4").symlink_to("/etc/passwd")
    (work / "directory.mp4").mkdir()
    put(work.parent, "outside.mp4")
    for path in (work / "link.mp4", work / "directory.mp4", work.parent / "outside.mp4", work / "missing.mp4"):
        with pytest.raises(JobError, match="internal_error"):
            seal(Artifact(path=path, kind="media"), work)


def test_the_file_itself_knows_best(media_dir: Path, work: Path) -> None:
    artifact = Artifact(path=Path(put(work, "media.mp4", (media_dir / "clip.mp4").read_bytes())), kind="media")
    said = {"format": "22 - HD", "width": 1280, "height": 720, "vcodec": "vp9", "duration": 99, "language": "en"}
    assert describe(artifact, said, NOTHING) == {
        "path": "media.mp4",
        "kind": "media",
        "is_main": True,
        "ext": "mp4",
        "format": "22 - HD",
        "language": "en",
        "duration": 8.0,
        "width": 320,
        "height": 180,
        "vcodec": "avc1.42c00c",
        "acodec": "mp4a.40.2",
    }


@pytest.mark.parametrize(
    ("heard", "expected"), [(Facts(acodec="mp3", duration=7.0), ("mp3", None, 7.0)), (NOTHING, ("opus", "vp9", 9))]
)
def test_else_ffmpeg_or_the_site_is_believed(work: Path, heard: Facts, expected: tuple[Any, ...]) -> None:
    artifact = Artifact(path=Path(put(work, "media.mp3")), kind="media")
    described = describe(artifact, {"vcodec": "vp9", "acodec": "opus", "duration": 9}, heard)
    assert (described["acodec"], described["vcodec"], described["duration"]) == expected


def test_sidecars_have_no_streams(work: Path) -> None:
    artifact = Artifact(path=Path(put(work, "media.en.srt")), kind="subtitle", language="en")
    described = describe(artifact, {"vcodec": "vp9", "duration": 9, "format": "22"}, Facts(acodec="mp3"))
    assert {name for name, value in described.items() if value is None} == {
        "duration",
        "width",
        "height",
        "vcodec",
        "acodec",
    }
    assert (described["ext"], described["format"], described["language"]) == ("srt", "srt", "en")
