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

_TONE = "sine=frequency={hertz}:sample_rate=44100:duration={seconds}"
_X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g {keyframes} -keyint_min {keyframes} -sc_threshold 0"
_AAC = "-c:a aac -b:a 48k -ac 1"
_BITEXACT = "-map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact"
_HLS = "-f hls -hls_playlist_type vod -hls_list_size 0"


def _encode(picture: str, hertz: int, seconds: int, keyframes: int, video_options: str, target: str) -> str:
    return (
        f"-f lavfi -i {picture}:duration={seconds} -f lavfi -i {_TONE.format(hertz=hertz, seconds=seconds)} "
        f"{_X264.format(keyframes=keyframes)} {video_options} {_AAC} -shortest {_BITEXACT} {target}"
    )


# One command line a step, in the cache directory; later steps read what earlier ones wrote.
_RECIPE = (
    _encode("testsrc2=size=320x180:rate=15", 440, 8, 15, "-b:v 100k -maxrate 100k -bufsize 100k", "-movflags +faststart clip.mp4"),
    _encode("smptebars=size=320x180:rate=15", 660, 4, 15, "-crf 30", "-movflags +faststart other.mp4"),
    _encode("testsrc2=size=160x90:rate=15", 440, 8, 15, "-crf 40", "low.mp4"),
    _encode("testsrc=size=160x90:rate=15", 550, 20, 3, "-crf 40", "many.mp4"),
    "-i clip.mp4 -c copy -f matroska movie.mkv",
    "-i clip.mp4 -vn -c:a copy audio.m4a",
    "-i clip.mp4 -vn -c:a libmp3lame -b:a 64k audio.mp3",
    "-i low.mp4 -t 2 -c:v libvpx -deadline realtime -cpu-used 8 -b:v 60k -c:a libopus -b:a 24k video.webm",
    "-i clip.mp4 -frames:v 1 -update 1 -q:v 5 image.jpg",
    f"-i clip.mp4 -c copy {_HLS} -hls_time 2 -hls_segment_filename hls/plain/high-%d.ts hls/plain/high.m3u8",
    f"-i low.mp4 -c copy {_HLS} -hls_time 2 -hls_segment_filename hls/plain/low-%d.ts hls/plain/low.m3u8",
    f"-i clip.mp4 -c copy {_HLS} -hls_time 2 -hls_key_info_file hls/aes/key.info "
    "-hls_segment_filename hls/aes/clip-%d.ts hls/aes/index.m3u8",
    f"-i clip.mp4 -c copy {_HLS} -hls_time 2 -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4 "
    "-hls_segment_filename hls/fmp4/clip-%d.m4s hls/fmp4/index.m3u8",
    f"-i many.mp4 -c copy {_HLS} -hls_time {MANY_SEGMENT_SECONDS} "
    "-hls_segment_filename hls/many/segment-%d.ts hls/many/index.m3u8",
    "-i clip.mp4 -i low.mp4 -map 0:v -map 1:v -map 0:a -c copy -f dash -seg_duration 2 -use_template 1 -use_timeline 1 "
    "-adaptation_sets id=0,streams=v\\ id=1,streams=a dash/manifest.mpd",
)  # fmt: skip


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
