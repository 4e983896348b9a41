"""What ffmpeg and yt-dlp make of the origin's media, pages and streams."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yt_dlp

from tests.origin import Origin
from tests.origin.media import ffmpeg

ROOT = Path(__file__).resolve().parents[2]


class _Silence:
    def debug(self, message: str) -> None:
        pass

    warning = error = debug


def extract(url: str) -> dict[str, Any]:
    with yt_dlp.YoutubeDL({"quiet": True, "no_warnings": True, "retries": 0}) as downloader:
        info: dict[str, Any] = downloader.sanitize_info(downloader.extract_info(url, download=False))
    return info


def download(url: str, directory: Path, **options: Any) -> Path:
    parameters = {
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "retries": 0,
        "ffmpeg_location": ffmpeg(),
        "outtmpl": str(directory / "film.%(ext)s"),
        **options,
    }
    with yt_dlp.YoutubeDL(parameters) as downloader:
        info = downloader.extract_info(url)
    return Path(info["requested_downloads"][0]["filepath"])


def duration_and_streams(path: Path) -> str:
    """What ffmpeg says of a file; the static build comes without ffprobe."""
    shown = subprocess.run([ffmpeg(), "-hide_banner", "-i", str(path)], capture_output=True, text=True, check=False)
    return shown.stderr


class TestMedia:
    @pytest.mark.parametrize(
        ("name", "streams"),
        [
            ("clip.mp4", ["Duration: 00:00:08", "Video: h264", "320x180", "Audio: aac"]),
            ("other.mp4", ["Duration: 00:00:04", "Video: h264"]),
            ("movie.mkv", ["matroska", "Video: h264", "Audio: aac"]),
            ("video.webm", ["Video: vp8", "Audio: opus"]),
            ("audio.mp3", ["Audio: mp3"]),
            ("audio.m4a", ["Audio: aac"]),
            ("image.jpg", ["Video: mjpeg"]),
        ],
    )
    def test_is_what_its_name_says(self, media_dir: Path, name: str, streams: list[str]) -> None:
        shown = duration_and_streams(media_dir / name)
        assert [part for part in streams if part not in shown] == []

    def test_the_clip_weighs_about_158_kb(self, media_dir: Path) -> None:
        assert 145_000 < (media_dir / "clip.mp4").stat().st_size < 175_000

    def test_is_made_once_by_processes_that_start_together(self, tmp_path: Path) -> None:
        code = "from tests.origin import media_directory; print(media_directory())"
        environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
        started = [
            subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        printed = {process.communicate(timeout=60)[0].strip() for process in started}
        assert len(printed) == 1
        assert [str(path) for path in tmp_path.glob("mediadl-origin-*")] == list(printed)

    def test_a_big_file_has_exactly_its_size_and_plays(self, origin: Origin, tmp_path: Path) -> None:
        body = origin.body("/big/1000000.mp4")
        (tmp_path / "big.mp4").write_bytes(body)
        assert len(body) == 1_000_000
        assert "Duration: 00:00:08" in duration_and_streams(tmp_path / "big.mp4")

    def test_items_differ_in_bytes_only(self, origin: Origin, tmp_path: Path) -> None:
        assert len({origin.sha256(f"/item/{number}.mp4") for number in range(5)}) == 5
        (tmp_path / "item.mp4").write_bytes(origin.body("/item/3.mp4"))
        assert "Duration: 00:00:08" in duration_and_streams(tmp_path / "item.mp4")


class TestPages:
    @pytest.mark.parametrize("path", ["/page/video-tag", "/page/og-video"])
    def test_is_understood_with_title_description_and_thumbnail(self, origin: Origin, path: str) -> None:
        info = extract(origin.url(path))
        assert info["title"].startswith("A film about clouds")
        assert info["description"] == "Eight seconds of a test picture."
        assert info["thumbnail"] == origin.url("/image.jpg")
        assert info["url"] == origin.url("/clip.mp4")

    def test_speaks_of_the_title_and_media_it_is_told_to(self, origin: Origin) -> None:
        info = extract(origin.url("/page/og-video?title=..%2F..%2Fetc%2F%3Cb%3E%E2%80%AE&media=/slow/9/clip.mp4"))
        assert info["title"] == "../../etc/<b>\u202e"
        assert info["url"] == origin.url("/slow/9/clip.mp4")

    def test_two_pages_of_one_title_have_different_media(self, origin: Origin) -> None:
        first, second = (extract(origin.url(f"/page/two/{number}")) for number in (1, 2))
        assert first["title"] == second["title"]
        assert first["url"] != second["url"]
        assert origin.sha256("/clip.mp4") != origin.sha256("/other.mp4")

    @pytest.mark.parametrize("path", ["/page/playlist?n=4&prefix=/slow/1000000", "/rss.xml?n=4&prefix=/slow/1000000"])
    def test_a_list_has_as_many_entries_as_asked_for(self, origin: Origin, path: str) -> None:
        info = extract(origin.url(path))
        assert info["_type"] == "playlist"
        assert [entry["url"] for entry in info["entries"]] == [
            origin.url(f"/slow/1000000/item/{number}.mp4") for number in range(1, 5)
        ]

    @pytest.mark.parametrize("path", ["/page/subtitles", "/hls/subs/master.m3u8"])
    def test_subtitles_are_offered_and_come_as_srt(self, origin: Origin, path: str, tmp_path: Path) -> None:
        assert set(extract(origin.url(path))["subtitles"]) == {"en", "de"}
        download(
            origin.url(path),
            tmp_path,
            writesubtitles=True,
            subtitleslangs=["de"],
            postprocessors=[{"key": "FFmpegSubtitlesConvertor", "format": "srt"}],
        )
        assert "00:00:00,000 --> 00:00:02,000\nGuten Morgen." in (tmp_path / "film.de.srt").read_text()


class TestStreams:
    def test_hls_offers_two_renditions(self, origin: Origin) -> None:
        info = extract(origin.url("/hls/plain/master.m3u8"))
        assert [entry["resolution"] for entry in info["formats"]] == ["160x90", "320x180"]

    def test_dash_offers_audio_and_video_apart(self, origin: Origin) -> None:
        formats = extract(origin.url("/dash/manifest.mpd"))["formats"]
        assert [(entry["vcodec"] == "none", entry["acodec"] == "none") for entry in formats] == [
            (True, False),
            (False, True),
            (False, True),
        ]

    @pytest.mark.parametrize(
        "path", ["/hls/plain/master.m3u8", "/hls/aes/index.m3u8", "/hls/fmp4/index.m3u8", "/dash/manifest.mpd"]
    )
    def test_downloads_to_eight_seconds_of_film(self, origin: Origin, path: str, tmp_path: Path) -> None:
        shown = duration_and_streams(download(origin.url(path), tmp_path))
        assert "Duration: 00:00:08" in shown
        assert "320x180" in shown
        assert "Audio: aac" in shown

    def test_aes_segments_are_not_readable_without_the_key(self, origin: Origin) -> None:
        assert origin.body("/hls/plain/high-0.ts")[::188][:2] == b"GG"
        assert origin.body("/hls/aes/clip-0.ts")[::188][:2] != b"GG"

    @pytest.mark.parametrize("path", ["/hls/plain/master.m3u8", "/hls/subs/master.m3u8", "/hls/aes/index.m3u8"])
    def test_every_reference_of_a_playlist_carries_the_query_on(self, origin: Origin, path: str) -> None:
        playlist = origin.body(f"{path}?latency_ms=1").decode()
        references = [line for line in playlist.splitlines() if (line and not line.startswith("#")) or "URI=" in line]
        assert references
        assert all("?latency_ms=1" in line for line in references)

    def test_dash_segments_carry_the_query_on(self, origin: Origin, tmp_path: Path) -> None:
        origin.clear()
        download(origin.url("/dash/manifest.mpd?latency_ms=1"), tmp_path)
        segments = [request for request in origin.requests if request.path.endswith(".m4s")]
        assert len(segments) == 10
        assert {request.query for request in segments} == {"latency_ms=1"}

    def test_the_endless_playlist_is_live_and_moves_on(self, origin: Origin) -> None:
        assert extract(origin.url("/endless.m3u8"))["is_live"] is True
        before = origin.body("/endless.m3u8")
        time.sleep(0.25)
        after = origin.body("/endless.m3u8")
        assert before != after
        assert b"ENDLIST" not in after
        assert origin.body("/" + after.decode().splitlines()[-1])[:1] == b"G"


class TestResume:
    def test_a_download_that_was_cut_once_resumes_with_a_range(self, origin: Origin, tmp_path: Path) -> None:
        path = "/cutonce/resumed/50/big/4000000.mp4"
        with pytest.raises(yt_dlp.utils.DownloadError):
            download(origin.url(path), tmp_path, logger=_Silence())
        (partial,) = tmp_path.glob("*.part")
        origin.clear()
        finished = download(origin.url(path), tmp_path)
        assert hashlib.sha256(finished.read_bytes()).hexdigest() == origin.sha256("/big/4000000.mp4")
        assert not partial.exists()
        (resumed,) = [request for request in origin.requests if request.range]
        assert resumed.status == 206
        assert resumed.bytes_sent <= 3_000_000
