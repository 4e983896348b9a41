"""The real media that the origin serves, made by ffmpeg once a machine and kept in a cache directory.

Encoded once and then only repackaged, so that an empty cache costs a few seconds.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

# 16 bytes, fixed: the playlist names the key by a relative URI, so it is served like any other file.
AES_KEY = bytes(range(16))
MANY_SEGMENTS = 100
MANY_SEGMENT_SECONDS = 0.2

_BITEXACT = "-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact"


def _film(*, picture: str, tone: int, seconds: int, keyframe_every: int, rate: str, target: str) -> str:
    return (
        f"-f lavfi -i {picture}:rate=15:duration={seconds} -f lavfi -i sine=frequency={tone}:duration={seconds} "
        f"-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g {keyframe_every} -sc_threshold 0 {rate} "
        f"-c:a aac -b:a 48k -ac 1 -shortest {_BITEXACT} -movflags +faststart {target}"
    )


def _hls(source: str, *, seconds: float, segments: str, playlist: str, options: str = "") -> str:
    return (
        f"-i {source} -c copy -f hls -hls_playlist_type vod -hls_list_size 0 -hls_time {seconds} "
        f"{options} -hls_segment_filename {segments} {playlist}"
    )


# One command line a step, in the cache directory; later steps read what earlier ones wrote.
_CLIP_RATE = "-b:v 100k -maxrate 100k -bufsize 100k"
_RECIPE = (
    _film(picture="testsrc2=size=320x180", tone=440, seconds=8, keyframe_every=15, rate=_CLIP_RATE, target="clip.mp4"),
    _film(picture="smptebars=size=320x180", tone=660, seconds=4, keyframe_every=15, rate="-crf 30", target="other.mp4"),
    _film(picture="testsrc2=size=160x90", tone=440, seconds=8, keyframe_every=15, rate="-crf 40", target="low.mp4"),
    _film(picture="testsrc=size=160x90", tone=550, seconds=20, keyframe_every=3, rate="-crf 40", target="many.mp4"),
    "-i clip.mp4 -c copy -f matroska movie.mkv",
    "-i clip.mp4 -vn -c:a copy audio.m4a",
    "-i clip.mp4 -vn -c:a libmp3lame -b:a 64k audio.mp3",
    "-i low.mp4 -t 2 -c:v libvpx -deadline realtime -cpu-used 8 -b:v 60k -c:a libopus -b:a 24k video.webm",
    "-i clip.mp4 -frames:v 1 -update 1 -q:v 5 image.jpg",
    _hls("clip.mp4", seconds=2, segments="hls/plain/high-%d.ts", playlist="hls/plain/high.m3u8"),
    _hls("low.mp4", seconds=2, segments="hls/plain/low-%d.ts", playlist="hls/plain/low.m3u8"),
    _hls(
        "clip.mp4",
        seconds=2,
        segments="hls/aes/clip-%d.ts",
        playlist="hls/aes/index.m3u8",
        options="-hls_key_info_file hls/aes/key.info",
    ),
    _hls(
        "clip.mp4",
        seconds=2,
        segments="hls/fmp4/clip-%d.m4s",
        playlist="hls/fmp4/index.m3u8",
        options="-hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4",
    ),
    _hls("many.mp4", seconds=MANY_SEGMENT_SECONDS, segments="hls/many/segment-%d.ts", playlist="hls/many/index.m3u8"),
    (
        "-i clip.mp4 -i low.mp4 -map 0:v -map 1:v -map 0:a -c copy -f dash -seg_duration 2 "
        "-use_template 1 -use_timeline 1 -adaptation_sets id=0,streams=v\\ id=1,streams=a dash/manifest.mpd"
    ),
)


def ffmpeg() -> str:
    found = shutil.which("ffmpeg")
    if found:
        return found
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


@functools.cache
def media_directory() -> Path:
    """Makes the media when they are missing. Safe for processes that start together: the first rename wins."""
    target = Path(tempfile.gettempdir()) / f"mediadl-origin-{_key()}"
    if not target.is_dir():
        making = Path(tempfile.mkdtemp(prefix="mediadl-origin-making-"))
        try:
            _make(making)
            _publish(making, target)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return target


def _key() -> str:
    """Of the recipe and of the encoder: two versions of ffmpeg make different bytes."""
    program = Path(ffmpeg()).resolve()
    state = program.stat()
    parts = (_RECIPE, str(program), state.st_size, state.st_mtime_ns, os.getuid())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _make(directory: Path) -> None:
    for folder in ("hls/plain", "hls/aes", "hls/fmp4", "hls/many", "dash"):
        (directory / folder).mkdir(parents=True)
    (directory / "hls/aes/clip.key").write_bytes(AES_KEY)
    (directory / "hls/aes/key.info").write_text("clip.key\nhls/aes/clip.key\n")
    for step in _RECIPE:
        _run(step, directory)


def _run(step: str, directory: Path) -> None:
    words = [word.replace("\0", " ") for word in step.replace("\\ ", "\0").split()]
    command = [ffmpeg(), "-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1", *words]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode:
        raise RuntimeError(f"ffmpeg cannot make the test media: {step}\n{result.stderr[-2000:]}")


def _publish(making: Path, target: Path) -> None:
    try:
        making.rename(target)
    except OSError:
        if not target.is_dir():
            raise
