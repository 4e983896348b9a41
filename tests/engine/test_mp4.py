from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from downloads.engine import mp4, mp4_tags
from downloads.engine.facts import Facts
from downloads.engine.tools import find_ffmpeg

TAGS = {
    "title": "Häuser \u2603",
    "artist": "Somebody",
    "album": "Clouds",
    "date": "20260101",
    "comment": "https://site.test/",
    "description": "d" * 3000,
    "season_number": "3",
    "episode_sort": "4",
    "track": "7",
    "disc": "2",
    "purl": "MP4 has no place for it",
}


def ffmpeg(*arguments: object) -> bytes:
    command = [find_ffmpeg() or "", "-v", "error", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def frames(path: Path) -> bytes:
    return ffmpeg("-i", path, "-f", "framemd5", "-")


def tags_of(path: Path) -> dict[str, str]:
    words = ffmpeg("-i", path, "-f", "ffmetadata", "-").decode()
    return dict(line.split("=", 1) for line in words.splitlines() if "=" in line and not line.startswith(";"))


@pytest.fixture(scope="module")
def slow_start(media_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mp4") / "slow.mp4"
    ffmpeg("-i", media_dir / "clip.mp4", "-c", "copy", path)
    return path


def layout_of(path: Path) -> mp4.Layout:
    layout = mp4.read_layout(path)
    assert layout
    return layout


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def a_file(tmp_path: Path, *boxes: bytes) -> Path:
    path = tmp_path / "made.mp4"
    path.write_bytes(b"".join(boxes))
    return path


FTYP = box(b"ftyp", b"isom", bytes(4))
MVHD = box(b"mvhd", bytes(12), struct.pack(">II", 1000, 2500), bytes(80))


def test_reads_what_a_player_would_show(media_dir: Path) -> None:
    seen = mp4.facts(layout_of(media_dir / "clip.mp4"))
    assert seen == Facts(duration=8.0, width=320, height=180, vcodec="avc1.42c00c", acodec="mp4a.40.2")


def test_audio_has_no_size(media_dir: Path) -> None:
    seen = mp4.facts(layout_of(media_dir / "audio.m4a"))
    assert (seen.width, seen.height, seen.vcodec, seen.acodec) == (None, None, None, "mp4a.40.2")
    assert seen.duration == pytest.approx(8, abs=0.1)


def test_names_other_codecs_by_their_four_letters(media_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    ffmpeg("-i", media_dir / "clip.mp4", "-t", 0.2, "-c:v", "mpeg4", "-c:a", "libmp3lame", path)
    seen = mp4.facts(layout_of(path))
    assert (seen.vcodec, seen.acodec) == ("mp4v", "mp4a.6b")


def test_knows_where_moov_lies(media_dir: Path, slow_start: Path) -> None:
    assert layout_of(media_dir / "clip.mp4").is_fast_start
    assert not layout_of(slow_start).is_fast_start


@pytest.mark.parametrize("start", ["fast", "slow"])
def test_writes_tags_and_an_early_moov_and_leaves_every_frame(
    media_dir: Path, slow_start: Path, tmp_path: Path, start: str
) -> None:
    source = slow_start if start == "slow" else media_dir / "clip.mp4"
    target = tmp_path / "out.mp4"
    assert mp4_tags.write(source, layout_of(source), TAGS, target)
    assert layout_of(target).is_fast_start
    assert mp4_tags.is_done(layout_of(target), TAGS)
    assert frames(target) == frames(source)
    found = tags_of(target)
    assert {name: found[name] for name in TAGS if name != "purl"} == {k: v for k, v in TAGS.items() if k != "purl"}


def test_writes_64_bit_offsets_too(media_dir: Path, tmp_path: Path) -> None:
    """The same tables as in a file of more than 4 GB, by hand."""
    source, target = tmp_path / "large.mp4", tmp_path / "out.mp4"
    layout = layout_of(media_dir / "clip.mp4")
    clip = (media_dir / "clip.mp4").read_bytes()
    grown = with_wide_offsets(layout.moov, shift=len(with_wide_offsets(layout.moov, shift=0)) - len(layout.moov))
    start = layout.moov_box.start
    source.write_bytes(clip[:start] + box(b"moov", grown) + clip[layout.moov_box.end :])
    assert frames(source) == frames(media_dir / "clip.mp4")
    assert mp4_tags.write(source, layout_of(source), TAGS, target)
    assert frames(target) == frames(source)


def with_wide_offsets(moov: bytes, *, shift: int) -> bytes:
    out = b""
    for child in mp4.children(moov):
        body = moov[child.body : child.end]
        if child.kind in mp4.CONTAINERS:
            out += box(child.kind, with_wide_offsets(body, shift=shift))
        elif child.kind == b"stco":
            count = struct.unpack_from(">I", body, 4)[0]
            offsets = (at + shift for at in struct.unpack_from(f">{count}I", body, 8))
            out += box(b"co64", body[:8], struct.pack(f">{count}Q", *offsets))
        else:
            out += moov[child.start : child.end]
    return out


def copied(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


def test_room_for_tags_is_made_inside_the_file(media_dir: Path, tmp_path: Path) -> None:
    path = copied(media_dir / "clip.mp4", tmp_path / "clip.mp4")
    inode, size = path.stat().st_ino, path.stat().st_size
    sums = mp4_tags.insert(path, layout_of(path), TAGS)
    if sums is None:
        pytest.skip("this file system makes no room inside files")
    assert sums.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sums.crc32 == zlib.crc32(path.read_bytes())
    assert path.stat().st_ino == inode
    assert (path.stat().st_size - size) % os.statvfs(path).f_bsize == 0
    assert mp4_tags.is_done(layout_of(path), TAGS)
    assert frames(path) == frames(media_dir / "clip.mp4")
    assert tags_of(path)["title"] == TAGS["title"]


def test_room_that_is_there_is_used_first(media_dir: Path, tmp_path: Path) -> None:
    path = copied(media_dir / "clip.mp4", tmp_path / "clip.mp4")
    if mp4_tags.insert(path, layout_of(path), TAGS) is None:
        pytest.skip("this file system makes no room inside files")
    size = path.stat().st_size
    sums = mp4_tags.insert(path, layout_of(path), {"title": "shorter", "description": "brief"})
    assert sums is not None
    assert sums.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sums.crc32 == zlib.crc32(path.read_bytes())
    assert path.stat().st_size == size
    assert tags_of(path)["title"] == "shorter"
    assert frames(path) == frames(media_dir / "clip.mp4")


@pytest.mark.parametrize("reason", ["a late moov", "no media", "another scheme", "early media", "an old system"])
def test_nothing_is_changed_where_no_room_can_be_made(
    slow_start: Path, media_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    if reason == "a late moov":
        path = copied(slow_start, tmp_path / "a.mp4")
    elif reason == "an old system":
        path = copied(media_dir / "clip.mp4", tmp_path / "a.mp4")
        monkeypatch.setattr(mp4_tags, "_libc", None)
    else:
        moov = {"no media": MVHD, "another scheme": MVHD + box(b"meta", b"iloc"), "early media": MVHD + stco(3)}[reason]
        media = () if reason == "no media" else (box(b"mdat", bytes(5000)),)
        path = a_file(tmp_path, FTYP, box(b"moov", moov), *media)
    before = path.read_bytes()
    assert mp4_tags.insert(path, layout_of(path), TAGS) is None
    assert path.read_bytes() == before


def test_tags_take_the_place_of_older_ones_of_their_kind(media_dir: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.mp4", tmp_path / "2.mp4"
    mp4_tags.write(media_dir / "clip.mp4", layout_of(media_dir / "clip.mp4"), {"title": "old", "artist": "A"}, first)
    mp4_tags.write(first, layout_of(first), {"title": "new"}, second)
    assert tags_of(second)["title"] == "new"
    assert tags_of(second)["artist"] == "A"
    assert frames(second) == frames(media_dir / "clip.mp4")


def test_without_tags_only_moov_moves(slow_start: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    assert mp4_tags.write(slow_start, layout_of(slow_start), {}, target)
    assert target.stat().st_size == slow_start.stat().st_size
    assert tags_of(target) == tags_of(slow_start)
    assert frames(target) == frames(slow_start)


def test_there_is_nothing_to_do_twice(media_dir: Path, slow_start: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    mp4_tags.write(slow_start, layout_of(slow_start), TAGS, target)
    assert mp4_tags.is_done(layout_of(target), TAGS)
    assert not mp4_tags.is_done(layout_of(target), {**TAGS, "title": "another"})
    assert mp4_tags.is_done(layout_of(media_dir / "clip.mp4"), {})
    assert not mp4_tags.is_done(layout_of(slow_start), {})


def test_odd_numbers_are_left_out(media_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    odd = {"track": "70000", "disc": "one", "season_number": "-1", "episode_sort": str(1 << 40)}
    assert mp4_tags.write(media_dir / "clip.mp4", layout_of(media_dir / "clip.mp4"), odd, target)
    assert not {"track", "disc", "season_number", "episode_sort"} & set(tags_of(target))


def test_leaves_fragments_to_ffmpeg(media_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "fragmented.mp4"
    ffmpeg("-i", media_dir / "clip.mp4", "-c", "copy", "-movflags", "+frag_keyframe+empty_moov", path)
    assert mp4.read_layout(path) is None


@pytest.mark.parametrize(
    "boxes",
    [
        (),
        (FTYP,),
        (box(b"moov", MVHD), FTYP),
        (FTYP, FTYP, box(b"moov")),
        (FTYP, box(b"moov"), box(b"moov")),
        (FTYP, box(b"moov"), box(b"moof")),
        (FTYP, box(b"moov"), b"\x00\x00\x00"),
        (FTYP, box(b"moov"), struct.pack(">I4s", 7, b"mdat")),
        (FTYP, box(b"moov"), struct.pack(">I4s", 5000, b"mdat")),
        (FTYP, box(b"moov"), *[box(b"free")] * 1000),
    ],
)
def test_knows_what_is_no_plain_file(tmp_path: Path, boxes: tuple[bytes, ...]) -> None:
    assert mp4.read_layout(a_file(tmp_path, *boxes)) is None


def test_takes_boxes_of_all_sizes(tmp_path: Path) -> None:
    wide = struct.pack(">I4sQ", 1, b"mdat", 20) + bytes(4)
    rest = struct.pack(">I4s", 0, b"mdat") + bytes(30)
    layout = layout_of(a_file(tmp_path, FTYP, box(b"moov", MVHD), wide, rest))
    assert [one.end - one.start for one in layout.boxes[-2:]] == [20, 38]
    assert mp4.facts(layout) == Facts(duration=2.5)


def test_a_moov_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp4, "MAX_MOOV_BYTES", 10)
    assert mp4.read_layout(a_file(tmp_path, FTYP, box(b"moov", MVHD))) is None


def test_long_durations_are_read(tmp_path: Path) -> None:
    mvhd = box(b"mvhd", b"\x01", bytes(19), struct.pack(">IQ", 10, 1 << 33))
    assert mp4.facts(layout_of(a_file(tmp_path, FTYP, box(b"moov", mvhd)))).duration == (1 << 33) / 10


def nested(levels: int) -> bytes:
    inner = b""
    for _ in range(levels):
        inner = box(b"trak", inner)
    return inner


def sample(handler: bytes, entry: bytes) -> bytes:
    hdlr = box(b"hdlr", bytes(8), handler, bytes(12))
    return box(b"trak", box(b"mdia", hdlr, box(b"minf", box(b"stbl", box(b"stsd", bytes(8), entry)))))


MP4A_CUT = box(b"mp4a", bytes(28), box(b"esds", bytes(4), b"\x04"))


@pytest.mark.parametrize(
    ("moov", "expected"),
    [
        (b"", Facts()),
        (box(b"mvhd", bytes(12), bytes(8)), Facts()),
        (box(b"mvhd"), Facts()),
        (box(b"free") + MVHD, Facts(duration=2.5)),
        (MVHD + struct.pack(">I4s", 999, b"trak"), Facts()),
        (MVHD + nested(50), Facts()),
        (MVHD + sample(b"vide", b"short"), Facts(duration=2.5)),
        (MVHD + sample(b"soun", b""), Facts(duration=2.5)),
        (MVHD + sample(b"text", bytes(40)), Facts(duration=2.5)),
        (MVHD + sample(b"soun", box(b"mp4a", bytes(28))), Facts(duration=2.5, acodec="mp4a")),
        (MVHD + sample(b"soun", MP4A_CUT), Facts(duration=2.5, acodec="mp4a")),
        (MVHD + sample(b"soun", box(b"Opus", bytes(28))), Facts(duration=2.5, acodec="opus")),
    ],
)
def test_hostile_boxes_tell_less_and_break_nothing(tmp_path: Path, moov: bytes, expected: Facts) -> None:
    assert mp4.facts(layout_of(a_file(tmp_path, FTYP, box(b"moov", moov)))) == expected


def stco(*offsets: int) -> bytes:
    table = box(b"stco", bytes(4), struct.pack(f">{len(offsets) + 1}I", len(offsets), *offsets))
    return box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", table))))


@pytest.mark.parametrize(
    "moov",
    [
        MVHD + box(b"meta", b"iloc"),
        MVHD + stco(0xFFFFFFF0),
        MVHD + nested(50),
        MVHD + box(b"udta", box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"mdta", bytes(12)))),
        MVHD + box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"stco", bytes(11)))))),
        MVHD + struct.pack(">I4s", 999, b"trak"),
    ],
)
def test_what_it_cannot_follow_is_left_to_ffmpeg(tmp_path: Path, moov: bytes) -> None:
    path, target = a_file(tmp_path, FTYP, box(b"mdat", bytes(20)), box(b"moov", moov)), tmp_path / "out.mp4"
    assert not mp4_tags.write(path, layout_of(path), {"title": "x"}, target)
    assert not target.exists()


def test_other_user_data_stays(tmp_path: Path) -> None:
    path, target = a_file(tmp_path, FTYP, box(b"moov", MVHD, box(b"udta", box(b"name", b"kept")))), tmp_path / "out.mp4"
    assert mp4_tags.write(path, layout_of(path), {"title": "x"}, target)
    assert b"namekept" in target.read_bytes()


def test_a_file_that_shrinks_while_it_is_copied_is_no_success(tmp_path: Path) -> None:
    path = a_file(tmp_path, FTYP, box(b"moov", MVHD), box(b"mdat", bytes(100)))
    layout = layout_of(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(OSError, match="shorter"):
        mp4_tags.write(path, layout, {"title": "x"}, tmp_path / "out.mp4")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_damage_to_a_file_breaks_the_reader(media_dir: Path, tmp_path: Path, data: Any) -> None:
    content = bytearray((media_dir / "clip.mp4").read_bytes())
    header = layout_of(media_dir / "clip.mp4").moov_box.end
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, header))] = data.draw(st.integers(0, 255))
    path, target = tmp_path / "damaged.mp4", tmp_path / "out.mp4"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    layout = mp4.read_layout(path)
    if layout:
        json.dumps(repr(mp4.facts(layout)))
        mp4_tags.write(path, layout, TAGS, target)
