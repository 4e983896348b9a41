"""What viewers have marked is taken out, by ffmpeg alone: the one that comes as a wheel has no ffprobe beside it."""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import imageio_ffmpeg
import pytest
from yt_dlp.utils import DownloadError

from downloads.engine import facts, options, ytdlp
from downloads.engine.spec import DownloadOptions, JobSpec, Limits
from tests.origin import Origin

VIDEO = "dQw4w9WgXcQ"


class Marks(BaseHTTPRequestHandler):
    """What SponsorBlock's server answers."""

    asked: ClassVar[list[str]] = []
    segments: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = json.dumps([{"videoID": VIDEO, "segments": self.segments}]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def marks() -> Iterator[str]:
    Marks.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Marks) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def ffmpeg_alone(tmp_path: Path) -> str:
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    return str(directory)


def segment(start: float, end: float, category: str) -> dict[str, Any]:
    return {
        "segment": [start, end],
        "category": category,
        "actionType": "skip",
        "videoDuration": 0,
        "description": "",
        "UUID": "x",
    }


def download(media: str, work: Path, ffmpeg: str, marks: str, **chosen: Any) -> Path:
    spec = JobSpec(
        job_id="a-job",
        url="https://video.example/",
        work_directory=str(work),
        options=DownloadOptions(sponsorblock_remove=("sponsor", "intro"), **chosen),
        limits=Limits(),
        attempt=1,
        proxy_url="",
        ffmpeg_location=ffmpeg,
    )
    params = options.build(spec) | {"quiet": True}
    params["postprocessors"] = [
        step | ({"api": marks} if step["key"] == "SponsorBlock" else {}) for step in params["postprocessors"]
    ]
    work.mkdir()
    ytdlp.prepare()
    info = {
        "id": VIDEO,
        "title": "A film",
        "extractor": "youtube",
        "extractor_key": "Youtube",
        "url": media,
        "ext": "mp4",
    }
    with closing(ytdlp.Downloader(params, ytdlp.Deaf())) as downloader:
        return Path(downloader.process_ie_result(info)["requested_downloads"][0]["filepath"])


def seconds(path: Path) -> float:
    words = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True, check=False
    )
    return facts.from_ffmpeg(words.stderr).duration or 0.0


def test_marked_parts_are_gone_and_the_rest_is_there(
    origin: Origin, media_dir: Path, tmp_path: Path, ffmpeg_alone: str, marks: str
) -> None:
    whole = seconds(media_dir / "clip.mp4")
    Marks.segments = [segment(0, 2, "intro"), segment(4, 6, "sponsor"), segment(6, 7, "outro")]
    path = download(origin.url("/clip.mp4"), tmp_path / "work", ffmpeg_alone, marks)
    assert abs(seconds(path) - (whole - 4)) < 1.1
    assert path.suffix == ".mp4"
    assert hashlib.sha256(VIDEO.encode()).hexdigest()[:4] in Marks.asked[0]


def test_nothing_can_be_cut_out_of_what_does_not_say_how_long_it_is(
    media_dir: Path, tmp_path: Path, ffmpeg_alone: str, marks: str
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    source = ["-i", str(media_dir / "clip.mp4")]
    command = [f"{ffmpeg_alone}/ffmpeg", "-v", "error", *source, "-c", "copy", "-f", "matroska", "-"]
    (site / "live.mkv").write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    Marks.segments = [segment(0, 2, "intro")]
    serve = functools.partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        with pytest.raises(DownloadError, match="the length of the media is unknown"):
            download(f"http://127.0.0.1:{server.server_port}/live.mkv", tmp_path / "work", ffmpeg_alone, marks)
        server.shutdown()


def test_a_video_without_marks_stays_whole(
    origin: Origin, media_dir: Path, tmp_path: Path, ffmpeg_alone: str, marks: str
) -> None:
    Marks.segments = []
    path = download(origin.url("/clip.mp4"), tmp_path / "work", ffmpeg_alone, marks)
    assert abs(seconds(path) - seconds(media_dir / "clip.mp4")) < 0.3
