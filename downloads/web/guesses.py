"""How large something may become of which only the length is known: lists say no more of their entries.

A guess, shown as "about". A look at a single link knows better (downloads/web/preview.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

BITS_A_BYTE = 8
# kbit/s of picture and sound together, as sites commonly send them. Nobody knows what the best of a site is.
VIDEO_KBITS = {"best": 4500, "2160p": 14_000, "1440p": 8000, "1080p": 4500, "720p": 2300, "480p": 1100, "360p": 650}
AUDIO = "audio"
BEST_AUDIO_KBITS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """`unknown`: how many say no length, and are in neither sum."""

    seconds: int
    size_bytes: int
    unknown: int


def rate_of(quality: str, audio_quality: str) -> int:
    """Bytes a second."""
    if quality == AUDIO:
        kbits = int(audio_quality) if audio_quality.isdecimal() else BEST_AUDIO_KBITS
    else:
        kbits = VIDEO_KBITS.get(quality, VIDEO_KBITS["best"])
    return kbits * 1000 // BITS_A_BYTE


def total(entries: Iterable[Mapping[str, Any]], rate: int) -> Total:
    lengths = [round(entry["duration"] or 0) for entry in entries]
    return Total(seconds=sum(lengths), size_bytes=sum(lengths) * rate, unknown=lengths.count(0))


def rates() -> str:
    """For the script: bytes a second by quality; that of audio is chosen by itself."""
    return json.dumps({quality: rate_of(quality, "") for quality in (*VIDEO_KBITS, AUDIO)}, separators=(",", ":"))
