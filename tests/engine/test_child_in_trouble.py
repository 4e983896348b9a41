"""How an attempt tells what it does, what stops it, and how the next one goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from downloads.engine.spec import Event, Limits
from tests.engine.attempts import FFMPEG, Run, frames
from tests.origin import Origin

MIB = 1024**2


def test_progress_is_one_number_that_never_falls(run: Run) -> None:
    outcome = run("/dash/manifest.mpd?latency_ms=30")
    assert outcome.percents == sorted(outcome.percents)
    assert outcome.percents[-3:] == [95.0, 99.0, 100.0]
    downloading = [data for data in outcome.named("progress") if data["percent"] < 95]
    assert downloading


def test_progress_comes_at_most_five_times_a_second(run: Run) -> None:
    outcome = run("/slow/150000/clip.mp4")
    reports = outcome.named("progress")
    assert 3 <= len(reports) <= 5 * outcome.seconds + 4
    speeds = [data["speed"] for data in reports if data["speed"]]
    assert speeds
    assert sorted(speeds)[len(speeds) // 2] == pytest.approx(150_000, rel=0.5)


def test_a_clip_tells_how_far_ffmpeg_has_come(run: Run) -> None:
    outcome = run("/slow/120000/clip.mp4", clip_start_sec=1.0, clip_end_sec=7.0, embed_metadata=False)
    assert outcome.main["duration"] == pytest.approx(6, abs=0.2)
    assert outcome.percents == sorted(outcome.percents)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/status/401/clip.mp4", "login_required"),
        ("/status/403/clip.mp4", "login_required"),
        ("/status/404/clip.mp4", "not_found"),
        ("/status/410/clip.mp4", "removed"),
        ("/status/429/clip.mp4", "rate_limited"),
        ("/status/451/clip.mp4", "geo_restricted"),
        ("/status/500/clip.mp4", "origin_unavailable"),
        ("/status/503/clip.mp4", "origin_unavailable"),
        ("/redirect/50/clip.mp4", "origin_unavailable"),
        ("/lie/1000/clip.mp4", "network_error"),
        ("/page/video-tag?media=/status/404/clip.mp4", "not_found"),
        ("/page/video-tag?media=/status/403/clip.mp4", "origin_unavailable"),
        ("/html-as.mp4", "unsafe_content"),
        ("/svg-as.mp4", "unsafe_content"),
        ("/playlist-as.mp4", "unsafe_content"),
        ("/subs/en.vtt", "unsafe_content"),
        ("/gzipbomb", "too_large"),
        ("/page/playlist?n=0", "unsupported_url"),
        ("ftp://127.0.0.1/clip.mp4", "unsupported_url"),
        ("http://127.0.0.1:9/clip.mp4", "network_error"),
    ],
)
def test_names_what_went_wrong(run: Run, path: str, code: str) -> None:
    outcome = run(path)
    assert outcome.error["code"] == code
    assert outcome.status == 1
    assert not outcome.named("file")
    assert not outcome.named("done")
    assert outcome.events[-1].name == "error"


@pytest.mark.parametrize("status", [429, 503])
def test_passes_on_when_the_site_wants_to_be_asked_again(run: Run, status: int) -> None:
    assert run(f"/status/{status}/clip.mp4?retry_after=17").error["retry_after"] == 17


def test_lies_are_not_kept(run: Run) -> None:
    outcome = run("/playlist-as.mp4")
    assert "passwd" not in "".join(path.read_text() for path in outcome.work.iterdir() if path.is_file())
    assert not list(outcome.work.glob("media*"))


@pytest.mark.parametrize("choices", [{"audio_only": True}, {"video_format": "mkv"}, {"clip_end_sec": 1.0}])
@pytest.mark.parametrize("path", ["/playlist-as.mp4", "/html-as.mp4"])
def test_ffmpeg_reads_no_other_files_whatever_it_is_to_do(run: Run, path: str, choices: dict[str, Any]) -> None:
    outcome = run(path, **choices)
    assert outcome.status == 1
    assert "root:" not in outcome.log
    assert not list(outcome.work.glob("media.m*"))


def test_a_cut_is_mended_by_ranges(run: Run, origin: Origin) -> None:
    origin.clear()
    outcome = run("/cut/50/clip.mp4", embed_metadata=False)
    assert outcome.main["sha256"] == origin.sha256("/clip.mp4")


@pytest.mark.parametrize(
    "path", ["/redirect/3/clip.mp4", "/chunked/clip.mp4", "/nolength/clip.mp4", "/norange/clip.mp4"]
)
def test_odd_deliveries_come_out_whole(run: Run, origin: Origin, path: str) -> None:
    assert run(path, embed_metadata=False).main["sha256"] == origin.sha256("/clip.mp4")


def test_a_missing_segment_fails_the_attempt_rather_than_leave_a_hole(run: Run, origin: Origin) -> None:
    outcome = run("/flaky/hole/1000/404/hls/plain/high.m3u8")
    assert outcome.status == 1


def test_what_is_too_large_is_refused_before_it_comes(run: Run, origin: Origin) -> None:
    origin.clear()
    outcome = run(f"/big/{50 * MIB}.mp4", limits=Limits(max_bytes=10 * MIB))
    assert outcome.error["code"] == "too_large"
    assert origin.bytes_sent(f"/big/{50 * MIB}.mp4") < 11 * MIB


@pytest.mark.parametrize("prefix", ["/chunked", "/nolength"])
def test_what_does_not_tell_its_size_is_stopped_at_the_limit(run: Run, origin: Origin, prefix: str) -> None:
    outcome = run(f"{prefix}/big/{50 * MIB}.mp4", limits=Limits(max_bytes=10 * MIB))
    assert outcome.error["code"] == "too_large"
    assert sum(path.stat().st_size for path in outcome.work.glob("media*")) <= 11 * MIB


def test_segments_count_together(run: Run) -> None:
    assert run("/hls/plain/master.m3u8", limits=Limits(max_bytes=100_000)).error["code"] == "too_large"


def test_silence_ends_the_attempt(run: Run) -> None:
    outcome = run("/stall/50/clip.mp4", limits=Limits(no_progress_seconds=1))
    assert outcome.error["code"] == "too_slow"
    assert outcome.status == 1
    assert outcome.seconds < 6


def test_silence_ends_an_ffmpeg_that_downloads_too(run: Run) -> None:
    outcome = run("/stall/50/clip.mp4", clip_start_sec=6.0, clip_end_sec=7.0, limits=Limits(no_progress_seconds=1))
    assert outcome.error["code"] in {"too_slow", "timeout"}
    assert outcome.seconds < 6


def test_ends_at_once_when_told_to(run: Run) -> None:
    """By SIGTERM, as the leash asks for; nothing is in the way of it."""
    ended: list[float] = []

    def once_downloading(event: Event) -> bool:
        if event.name == "progress" and not ended:
            ended.append(time.monotonic())
            return True
        return False

    outcome = run("/slow/50000/clip.mp4", stop_at=once_downloading, by=15)
    assert outcome.status == -15
    assert time.monotonic() - ended[0] < 1


def after(percent: float) -> Callable[[Event], bool]:
    return lambda event: event.name == "progress" and event.data["percent"] >= percent


def test_a_killed_download_goes_on_where_it_was(run: Run, origin: Origin) -> None:
    path, size = "/slow/4000000/big/8000000.mp4", 8_000_000
    killed = run(path, stop_at=after(50), embed_metadata=False)
    assert killed.status == -9
    kept = (killed.work / "media.mp4.part").stat().st_size
    assert kept > size * 0.4
    origin.clear()
    outcome = run("/big/8000000.mp4", embed_metadata=False)
    assert outcome.main["sha256"] == origin.sha256("/big/8000000.mp4")
    assert any((request.range or "").startswith(f"bytes={kept}-") for request in origin.requests_of("/big/8000000.mp4"))


def test_a_killed_stream_goes_on_and_has_no_segment_twice(run: Run, origin: Origin, media_dir: Path) -> None:
    killed = run("/hls/many/index.m3u8?latency_ms=150", stop_at=after(40))
    assert killed.status == -9
    origin.clear()
    outcome = run("/hls/many/index.m3u8")
    segments = [request for request in origin.requests if request.path.endswith(".ts")]
    assert len(segments) <= 70
    assert frames(outcome.main_path) == frames(media_dir / "many.mp4")


def test_a_partial_file_that_is_whole_is_taken_as_it_is(run: Run, origin: Origin) -> None:
    """What is left when an attempt dies between the last byte and the renaming."""
    killed = run("/slow/2000000/big/4000000.mp4", stop_at=after(30), embed_metadata=False)
    (killed.work / "media.mp4.part").write_bytes(origin.body("/big/4000000.mp4"))
    outcome = run("/big/4000000.mp4", embed_metadata=False)
    assert outcome.status == 0, outcome.log
    assert outcome.main["sha256"] == origin.sha256("/big/4000000.mp4")


def test_a_file_that_was_being_changed_is_fetched_again(run: Run, origin: Origin) -> None:
    first = run("/page/og-video", embed_thumbnail=True)
    assert (first.work / ".rewriting").exists()
    (first.work / "media.mp4").write_bytes(b"half of it")
    second = run("/page/og-video", embed_thumbnail=True)
    assert second.main["sha256"] == first.main["sha256"]
    assert "it is downloaded again" in second.log


def test_a_finished_file_is_not_fetched_again(run: Run, origin: Origin) -> None:
    first = run("/other.mp4", embed_metadata=False)
    origin.clear()
    second = run("/other.mp4", embed_metadata=False)
    assert second.main["sha256"] == first.main["sha256"]
    assert second.percents[-1] == 100.0
    assert origin.bytes_sent("/other.mp4") < len(origin.body("/other.mp4")) + 100_000


def test_the_log_has_no_secrets(run: Run, tmp_path: Path) -> None:
    outcome = run("/clip.mp4?token=SECRET")
    assert outcome.log
    assert "SECRET" not in outcome.log
    assert str(outcome.work) not in outcome.log


def test_every_event_keeps_to_its_shape(run: Run) -> None:
    outcome = run("/page/og-video", write_thumbnail=True, write_info_json=True)
    keys = {event.name: frozenset(event.data) for event in outcome.events}
    assert keys["info"] == {"title", "duration", "format", "metadata", "total_bytes"}
    assert keys["progress"] == {"percent", "downloaded_bytes", "total_bytes", "speed", "eta", "is_between_formats"}
    assert keys["log"] == {"level", "message"}
    names = "path kind is_main size_bytes sha256 crc32 ext format width height duration vcodec acodec language"
    assert {frozenset(file) for file in outcome.files} == {frozenset(names.split())}
    for file in outcome.files:
        content = (outcome.work / file["path"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["size_bytes"] == len(content)


def test_hostile_titles_are_told_as_safe_text(run: Run) -> None:
    outcome = run("/page/og-video?title=" + "x" * 3000)
    assert len(outcome.info["title"]) == 1000
    assert outcome.main["path"] == "media.mp4"


def test_a_killed_ffmpeg_is_no_fault_of_the_media(run: Run, tmp_path: Path) -> None:
    killed = tmp_path / "ffmpeg"
    killed.write_text(f'#!/bin/sh\ncase "$*" in *-version*|*-bsfs*) exec {FFMPEG} "$@";; esac\nkill -9 $$\n')
    killed.chmod(0o755)
    outcome = run("/low.mp4", video_format="webm", allow_recode=True, ffmpeg_location=str(killed))

    assert (outcome.error["code"], outcome.error["message"]) == ("internal_error", "ffmpeg was killed (signal 9)")
