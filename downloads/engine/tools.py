"""The programs that the engine needs beside Python: where they are, and what they say of themselves."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

VERSION_TIMEOUT_SECONDS = 10


@functools.cache
def find_ffmpeg(given: str = "") -> str | None:
    """The setting, else PATH, else the binary of the imageio-ffmpeg wheel; None when there is none."""
    if given:
        path = Path(given)
        candidate = path / "ffmpeg" if path.is_dir() else path
        return str(candidate) if candidate.is_file() else None
    return shutil.which("ffmpeg") or _ffmpeg_of_wheel()


@functools.cache
def find_javascript() -> str | None:
    """A runtime that yt-dlp can use for YouTube's challenges: the deno wheel's binary, else PATH."""
    return _deno_of_wheel() or shutil.which("deno")


def javascript_params() -> dict[str, Any]:
    """What yt-dlp is told of it."""
    javascript = find_javascript()
    return {"js_runtimes": {"deno": {"path": javascript}}} if javascript else {}


def version_of(program: str) -> str | None:
    """The first line that `program` prints of its version; None when it does not run."""
    flag = "--version" if Path(program).name.startswith("deno") else "-version"
    try:
        answer = subprocess.run(  # noqa: S603 - a path that we found ourselves
            [program, flag], capture_output=True, text=True, timeout=VERSION_TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.partition("\n")[0].strip() or None


def _ffmpeg_of_wheel() -> str | None:
    try:
        import imageio_ffmpeg  # noqa: PLC0415 - only where PATH has none

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


def _deno_of_wheel() -> str | None:
    try:
        import deno  # noqa: PLC0415 - optional at run time

        return str(deno.find_deno_bin())
    except (ImportError, FileNotFoundError):
        return None
