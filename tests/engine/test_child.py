from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from downloads.engine.spec import Event
from tests.engine.attempts import Run, frames, streams, tags_of
from tests.origin import Origin

MIB = 1024**2


def test_a_direct_file_comes_out_whole(run: Run, origin: Origin) -> None:
    outcome = run("/clip.mp4", embed_metadata=False)
    assert outcome.status == 0
    assert outcome.main["sha256"] == origin.sha256("/clip.mp4")
    assert outcome.main_path.read_bytes() == origin.body("/clip.mp4")
    assert outcome.main == {
        **outcome.main,
        "path": "media.mp4",
        "kind": "media",
        "ext": "mp4",
        "size_bytes": len(origin.body("/clip.mp4")),
        "duration": 8.0,
        "width": 320,
        "height": 180,
        "vcodec": "avc1.42c00c",
        "acodec": "mp4a.40.2",
        "language": None,
    }


def test_tells_its_stages_in_order(run: Run) -> None:
    outcome = run("/page/video-tag")
    assert [data["stage"] for data in outcome.named("stage")] == [
        "extracting",
        "downloading",
        "postprocessing",
        "publishing",
    ]
    assert outcome.events[-1] == Event(name="done")
    assert outcome.info["title"] == "A film about clouds (1)"
    assert outcome.info["metadata"]["description"] == "Eight seconds of a test picture."
    assert outcome.percents[-1] == 100.0
    assert outcome.percents == sorted(outcome.percents)


def test_tags_are_written_by_default_and_no_frame_is_touched(run: Run, media_dir: Path) -> None:
    outcome = run("/page/og-video?title=Clouds+%E2%98%83")
    tags = tags_of(outcome.main_path)
    assert tags["title"] == "Clouds \u2603"
    assert tags["comment"].endswith("/page/og-video?title=Clouds+%E2%98%83")
    assert frames(outcome.main_path) == frames(media_dir / "clip.mp4")


def test_a_large_file_gets_its_tags_too(run: Run, media_dir: Path) -> None:
    outcome = run(f"/big/{40 * MIB}.mp4")
    assert outcome.main["sha256"] == hashlib.sha256(outcome.main_path.read_bytes()).hexdigest()
    assert tags_of(outcome.main_path)["title"] == str(40 * MIB)
    assert frames(outcome.main_path) == frames(media_dir / "clip.mp4")
    assert not (outcome.work / ".rewriting").exists()


def test_a_late_moov_is_moved_to_the_front(run: Run, media_dir: Path, tmp_path: Path) -> None:
    """So that players can start; by what the file is, whether tags are wanted or not."""
    outcome = run("/hls/fmp4/index.m3u8", embed_metadata=True)
    content = outcome.main_path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert frames(outcome.main_path) == frames(media_dir / "clip.mp4")


@pytest.mark.parametrize("path", ["/hls/plain/master.m3u8", "/hls/aes/index.m3u8", "/dash/manifest.mpd"])
def test_streams_become_one_mp4_with_tags(run: Run, media_dir: Path, path: str) -> None:
    outcome = run(path)
    assert outcome.main["ext"] == "mp4"
    assert (outcome.main["width"], outcome.main["height"]) == (320, 180)
    assert outcome.main["duration"] == pytest.approx(8, abs=0.2)
    assert streams(outcome.main_path) == ["Video", "Audio"]
    assert frames(outcome.main_path) == frames(media_dir / "clip.mp4")
    assert "title" in tags_of(outcome.main_path)
    assert len(outcome.files) == 1


def test_formats_that_were_merged_are_gone(run: Run) -> None:
    outcome = run("/dash/manifest.mpd")
    visible = {path.name for path in outcome.work.iterdir() if not path.name.startswith(".")}
    assert visible == {"media.mp4"}


@pytest.mark.parametrize(("quality", "height"), [("best", 180), ("1080p", 180), ("360p", 180)])
def test_a_quality_takes_the_best_up_to_its_height(run: Run, quality: str, height: int) -> None:
    assert run("/hls/plain/master.m3u8", quality=quality).main["height"] == height


def test_a_quality_without_known_heights_takes_what_there_is(run: Run) -> None:
    assert run("/clip.mp4", quality="360p").main["height"] == 180


def test_a_custom_format_is_taken_by_its_id(run: Run) -> None:
    low = run("/dash/manifest.mpd", custom_format="1+2")
    assert low.main["height"] == 90
    assert low.info["format"].startswith("1 - ")


def test_a_format_that_is_not_offered_is_an_error(run: Run) -> None:
    assert run("/clip.mp4", custom_format="nonesuch").error["code"] == "format_unavailable"


def test_an_item_of_a_feed_is_taken_by_its_number(run: Run, origin: Origin) -> None:
    outcome = run("/rss.xml?n=5", playlist_item=3, embed_metadata=False)
    assert outcome.info["title"] == "Episode 3"
    assert outcome.info["metadata"]["playlist"] == "A podcast"
    assert outcome.info["metadata"]["playlist_index"] == 3
    assert outcome.main["sha256"] == origin.sha256("/item/3.mp4")
    assert len(outcome.files) == 1


def test_a_page_of_several_gives_its_first(run: Run, origin: Origin) -> None:
    assert run("/rss.xml", embed_metadata=False).main["sha256"] == origin.sha256("/item/1.mp4")


def test_an_item_that_is_not_there_is_not_found(run: Run) -> None:
    error = run("/rss.xml?n=2", playlist_item=9).error
    assert (error["code"], error["message"]) == ("not_found", "The list has no item 9")


def test_subtitles_are_written_embedded_and_converted(run: Run) -> None:
    outcome = run(
        "/page/subtitles", download_subtitles=True, embed_subtitles=True, subtitle_languages=("en", "de", "xx")
    )
    files = {file["path"]: file for file in outcome.files}
    assert list(files) == ["media.mp4", "media.en.srt", "media.de.srt"]
    assert {(file["kind"], file["language"]) for file in files.values()} == {
        ("media", None),
        ("subtitle", "en"),
        ("subtitle", "de"),
    }
    assert "00:00:00,000 --> " in (outcome.work / "media.en.srt").read_text()
    assert streams(outcome.main_path).count("Subtitle") == 2
    assert "No subtitles for some of en, de, xx" in outcome.log


def test_subtitles_may_only_be_embedded(run: Run) -> None:
    outcome = run("/page/subtitles", embed_subtitles=True, video_format="mkv")
    assert [file["path"] for file in outcome.files] == ["media.mkv"]
    assert streams(outcome.main_path) == ["Video", "Audio", "Subtitle"]


@pytest.mark.parametrize(("subtitle_format", "mark"), [("vtt", "WEBVTT"), ("ass", "[Script Info]"), ("lrc", "[00:0")])
def test_subtitles_of_streams_are_converted_too(run: Run, subtitle_format: str, mark: str) -> None:
    outcome = run("/hls/subs/master.m3u8", download_subtitles=True, subtitle_format=subtitle_format)
    assert mark in (outcome.work / f"media.en.{subtitle_format}").read_text()
    assert outcome.files[1]["ext"] == subtitle_format


def test_a_subtitle_that_cannot_be_had_is_only_a_warning(run: Run, origin: Origin) -> None:
    page = f"/page/subtitles?media={origin.url('/clip.mp4')}"
    lying = run(page + "&languages=en,missing", download_subtitles=True, subtitle_languages=("en", "missing"))
    assert [file["path"] for file in lying.files] == ["media.mp4", "media.en.srt"]
    assert "A subtitle could not be downloaded" in lying.log


@pytest.mark.parametrize("thumbnail_format", ["jpg", "png", "webp"])
def test_a_thumbnail_is_written_and_converted(run: Run, thumbnail_format: str) -> None:
    outcome = run("/page/og-video", write_thumbnail=True, thumbnail_format=thumbnail_format)
    thumbnail = outcome.files[1]
    assert (thumbnail["kind"], thumbnail["path"]) == ("thumbnail", f"media.{thumbnail_format}")


def test_a_thumbnail_is_embedded(run: Run, media_dir: Path) -> None:
    outcome = run("/page/og-video", embed_thumbnail=True)
    assert len(outcome.files) == 1
    assert streams(outcome.main_path) == ["Video", "Audio", "Video"]
    assert outcome.main["size_bytes"] == outcome.main_path.stat().st_size
    assert not (outcome.work / "media.jpg").exists()


@pytest.mark.parametrize("thumbnail", ["/svg-as.mp4?x=.jpg", "/html-as.mp4", "/clip.mp4", "/status/404/image.jpg"])
def test_a_thumbnail_that_is_none_is_left_out(run: Run, origin: Origin, thumbnail: str) -> None:
    outcome = run(f"/page/og-video?thumbnail={thumbnail}", write_thumbnail=True, embed_thumbnail=True)
    assert [file["kind"] for file in outcome.files] == ["media"]


@pytest.mark.parametrize(
    ("audio_format", "name", "codec"),
    [
        ("mp3", "media.mp3", "mp3"),
        ("m4a", "media.m4a", "mp4a.40.2"),
        ("aac", "media.aac", "aac"),
        ("opus", "media.opus", "opus"),
        ("vorbis", "media.ogg", "vorbis"),
        ("flac", "media.flac", "flac"),
        ("wav", "media.wav", "pcm_s16le"),
    ],
)
def test_audio_is_taken_out(run: Run, audio_format: str, name: str, codec: str) -> None:
    outcome = run("/clip.mp4", audio_only=True, audio_format=audio_format, audio_quality="128")
    assert [file["path"] for file in outcome.files] == [name]
    assert (outcome.main["acodec"], outcome.main["vcodec"], outcome.main["width"]) == (codec, None, None)
    assert outcome.main["duration"] == pytest.approx(8, abs=0.1)
    assert streams(outcome.main_path) == ["Audio"]
    assert audio_format in {"aac", "wav"} or tags_of(outcome.main_path)["title"] == "clip"


def test_audio_that_is_right_already_stays_as_it_is(run: Run, origin: Origin) -> None:
    outcome = run("/audio.mp3", audio_only=True, embed_metadata=False)
    assert outcome.main["sha256"] == origin.sha256("/audio.mp3")


def test_audio_keeps_its_container_among_videos(run: Run) -> None:
    assert run("/audio.mp3").main["path"] == "media.mp3"


@pytest.mark.parametrize("video_format", ["mkv", "mov", "avi", "flv"])
def test_video_moves_into_the_wanted_container_without_encoding(run: Run, media_dir: Path, video_format: str) -> None:
    outcome = run("/clip.mp4", video_format=video_format)
    assert outcome.main["path"] == f"media.{video_format}"
    assert (outcome.main["width"], outcome.main["duration"]) == (320, 8.0)
    assert streams(outcome.main_path) == ["Video", "Audio"]
    assert len(frames(outcome.main_path)) == len(frames(media_dir / "clip.mp4"))


def test_what_a_container_cannot_hold_stays_where_it_is(run: Run) -> None:
    outcome = run("/clip.mp4", video_format="webm")
    assert outcome.main["path"] == "media.mp4"
    assert "Kept as mp4" in outcome.log


def test_is_encoded_anew_only_when_that_is_allowed(run: Run) -> None:
    outcome = run("/video.webm", video_format="mp4", allow_recode=True)
    assert outcome.main["path"] == "media.mp4"
    assert outcome.main["vcodec"].startswith("avc1")
    assert not list(outcome.work.glob("*.webm"))


def test_becomes_webm_when_that_is_allowed(run: Run) -> None:
    outcome = run("/low.mp4", video_format="webm", allow_recode=True)
    assert (outcome.main["vcodec"], outcome.main["acodec"]) == ("vp9", "opus")


@pytest.mark.parametrize("path", ["/clip.mp4", "/hls/plain/master.m3u8", "/dash/manifest.mpd"])
def test_a_clip_is_cut_exactly(run: Run, path: str) -> None:
    outcome = run(path, clip_start_sec=2.0, clip_end_sec=4.0)
    assert outcome.main["duration"] == pytest.approx(2, abs=0.15)
    assert streams(outcome.main_path) == ["Video", "Audio"]
    assert outcome.percents[-1] == 100.0


@pytest.mark.parametrize(
    ("path", "choices", "seconds"),
    [("/clip.mp4", {"clip_start_sec": 6.0}, 2), ("/hls/plain/master.m3u8", {"clip_end_sec": 1.5}, 1.5)],
)
def test_a_clip_may_have_one_end(run: Run, path: str, choices: dict[str, float], seconds: float) -> None:
    assert run(path, **choices).main["duration"] == pytest.approx(seconds, abs=0.15)


@pytest.mark.parametrize("path", ["/clip.mp4", "/hls/plain/master.m3u8"])
def test_a_clip_after_the_end_is_not_there(run: Run, path: str) -> None:
    assert run(path, clip_start_sec=100.0, clip_end_sec=102.0).error["code"] == "format_unavailable"


def test_the_info_json_has_no_addresses_of_formats(run: Run, origin: Origin) -> None:
    outcome = run("/hls/plain/master.m3u8?token=SECRET", write_info_json=True)
    assert outcome.files[1]["path"] == "media.info.json"
    text = (outcome.work / "media.info.json").read_text()
    info = json.loads(text)
    assert info["title"] == "master"
    assert [item["height"] for item in info["formats"]] == [90, 180]
    assert "http_headers" not in text
    assert "high.m3u8" not in text


def test_cookies_go_to_the_site_and_stay_as_they_are(run: Run, tmp_path: Path) -> None:
    cookies = tmp_path / "cookies.txt"
    cookies.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tsession\tabc\n")
    before = cookies.read_bytes()
    outcome = run("/needs-cookie/session/abc/clip.mp4", cookies_file=str(cookies))
    assert outcome.main["ext"] == "mp4"
    assert cookies.read_bytes() == before
    assert "abc" not in outcome.log.replace("needs-cookie/session/abc", "")
