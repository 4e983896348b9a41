"""Tags by an input of ffmpeg's and not by its arguments, which every user of the machine may read in /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_ESCAPED = re.compile(r"([\\=;#\n])")


@contextmanager
def without_tags(command: Sequence[str]) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """(the command, descriptors that it needs). Tags of single streams, which are languages, stay where they are."""
    places = [at for at, word in enumerate(command) if word == "-metadata"]
    inputs = [at for at, word in enumerate(command) if word == "-i"]
    if not places or not inputs:
        yield list(command), ()
        return
    text = _ffmetadata([command[at + 1] for at in places])
    taken = {*places, *(at + 1 for at in places)}
    descriptor = os.memfd_create("tags")
    try:
        os.write(descriptor, text)
        os.lseek(descriptor, 0, os.SEEK_SET)
        first = inputs[-1] + 2
        before = [word for at, word in enumerate(command[:first]) if at not in taken]
        after = [word for at, word in enumerate(command[first:], first) if at not in taken]
        ours = ["-protocol_whitelist", "pipe", "-f", "ffmetadata", "-i", f"pipe:{descriptor}"]
        # What comes first is kept: ours, then the media's own, as when they are arguments.
        maps = ["-map_metadata", str(len(inputs))]
        if "-map_metadata" not in after:
            maps += ["-map_metadata", "0"]
        yield [*before, *ours, *maps, *after], (descriptor,)
    finally:
        os.close(descriptor)


def _ffmetadata(tags: Sequence[str]) -> bytes:
    lines = [";FFMETADATA1"]
    for tag in tags:
        name, _, value = tag.partition("=")
        lines.append(f"{_escaped(name)}={_escaped(value)}")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _escaped(text: str) -> str:
    return _ESCAPED.sub(r"\\\1", text)
