from __future__ import annotations

from pathlib import Path


def open_handles(root: Path) -> list[str]:
    handles = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        handles += [target] if target.startswith(str(root)) else []
    return handles
