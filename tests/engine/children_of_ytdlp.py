"""Children of a fork server that has loaded yt-dlp."""

from __future__ import annotations

import yt_dlp.version

from tests.engine.children import run

__all__ = ["run", "yt_dlp"]
