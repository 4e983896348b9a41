"""Lets the files of a killed attempt be continued without ever mixing up what they hold.

yt-dlp appends a fragment and then notes its number; killed in between, it would append that fragment twice. And a
step that changes a finished file in place may leave half of it. Both would be published as whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# Steps that change a finished file in place, or that must not see their own result again.
NOT_REPEATABLE = frozenset({"Clip", "EmbedThumbnail", "Cut"})

_MARK = ".rewriting"
_UNFINISHED = (".part", ".ytdl")


def mark_rewriting(work: Path) -> None:
    (work / _MARK).touch()


@contextmanager
def rewriting(work: Path) -> Iterator[None]:
    """Around a change in place that may be repeated: the mark stays only when the process ends within."""
    is_marked = (work / _MARK).exists()
    mark_rewriting(work)
    yield
    if not is_marked:
        (work / _MARK).unlink()


def discard_half_rewritten(work: Path) -> bool:
    """Remove finished files that an earlier attempt may have left half changed. True when there were any."""
    if not (work / _MARK).exists():
        return False
    for path in work.iterdir():
        if path.is_file() and not path.name.startswith(".") and path.suffix not in _UNFINISHED:
            path.unlink()
    (work / _MARK).unlink()
    return True


def note_fragments(downloader: Any, context: dict[str, Any]) -> None:
    """In place of yt-dlp's `FragmentFD._write_ytdl_file`: with the size that belongs to the number, and in one step."""
    stream = context.get("dest_stream")
    state: dict[str, Any] = {"current_fragment": {"index": context["fragment_index"]}}
    if "extra_state" in context:
        state["extra_state"] = context["extra_state"]
    if context.get("fragment_count") is not None:
        state["fragment_count"] = context["fragment_count"]
    note = Path(downloader.ytdl_filename(context["filename"]))
    fresh = note.with_name(f"{note.name}.part")
    fresh.write_text(json.dumps({"downloader": state, "bytes": stream.tell() if stream else 0}))
    fresh.replace(note)


def recall_fragments(downloader: Any, context: dict[str, Any]) -> None:
    """In place of `FragmentFD._read_ytdl_file`: cut off what was appended but not noted; begin anew if bytes lack."""
    try:
        noted = json.loads(Path(downloader.ytdl_filename(context["filename"])).read_bytes())
        context["fragment_index"] = int(noted["downloader"]["current_fragment"]["index"])
        size = int(noted["bytes"])
        with suppress(KeyError):
            context["extra_state"] = noted["downloader"]["extra_state"]
        _cut(Path(context["tmpfilename"]), size)
    except (OSError, ValueError, KeyError, TypeError):
        context["ytdl_corrupt"] = True


def _cut(path: Path, size: int) -> None:
    if path.stat().st_size < size:
        raise ValueError("the file is shorter than its note says")
    os.truncate(path, size)
