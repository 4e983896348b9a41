"""Another yt-dlp than the installed one: a directory of packages that the fork server looks into first."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def enter(directory: Path) -> None:
    """Its packages come before the installed ones, and after Python's own modules and ours."""
    place = next((index for index, path in enumerate(sys.path) if Path(path).name in _INSTALLED), len(sys.path))
    sys.path.insert(place, str(directory))


def start_without(option: str) -> NoReturn:
    """Starts this program over, with the installed packages alone. The value of `option` follows it."""
    place = sys.orig_argv.index(option)
    rest = [*sys.orig_argv[:place], *sys.orig_argv[place + 2 :]]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    os.execve(sys.executable, rest, environment)  # noqa: S606 - ourselves


def report(path: Path, directory: Path | None) -> None:
    """Who is ready, with which yt-dlp, and where from: nothing for the installed one."""
    version = getattr(sys.modules.get("yt_dlp.version"), "__version__", "")
    facts = {"pid": os.getpid(), "ytdlp_version": version, "overlay": str(directory or "")}
    hidden = path.with_name(f"{path.name}.{os.getpid()}")
    hidden.write_text(json.dumps(facts))
    hidden.replace(path)
