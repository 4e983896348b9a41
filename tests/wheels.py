"""Wheels of yt-dlp, made of the installed one: with another version, and broken in a chosen place."""

from __future__ import annotations

import importlib.metadata
import zipfile
from collections.abc import Mapping
from pathlib import Path

import_root = Path(str(importlib.metadata.distribution("yt-dlp").locate_file("yt_dlp")))


def ytdlp_wheel(directory: Path, version: str, changes: Mapping[str, str] | None = None) -> Path:
    """`changes` are modules, by their path below yt_dlp, and what is appended to each."""
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"yt_dlp-{version}-py3-none-any.whl"
    info = f"yt_dlp-{version}.dist-info"
    appended = {"version.py": f"\n__version__ = {version!r}\n", **(changes or {})}
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted(import_root.rglob("*.py")):
            name = path.relative_to(import_root).as_posix()
            archive.writestr(f"yt_dlp/{name}", path.read_text() + appended.get(name, ""))
        metadata = f"Metadata-Version: 2.1\nName: yt-dlp\nVersion: {version}\nProvides-Extra: default\n"
        archive.writestr(f"{info}/METADATA", f"{metadata}Provides-Extra: curl-cffi\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*archive.namelist(), f"{info}/RECORD"]))
    return wheel
