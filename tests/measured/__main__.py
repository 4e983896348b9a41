"""`python -m tests.measured FILE ARGUMENTS…`: pytest, and into FILE the coverage of every process that it starts.

It runs in a copy of this interpreter's environment (hard links: no space) whose every process measures itself, with no
word of it in variables or arguments, which the product would not pass on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from coverage import CoverageData

from tests.measured import interpreter

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".measured"
PYTHON = PLACE / "python"


def main() -> int:
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / "data").mkdir(parents=True)
    _make_interpreter()
    file, *arguments = sys.argv[1:]
    status = subprocess.run([PYTHON / "bin/python", "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode
    _gather(ROOT / file)
    shutil.rmtree(PLACE)
    return status


def _make_interpreter() -> None:
    shutil.copytree(sys.prefix, PYTHON, symlinks=True, copy_function=_link)
    (packages,) = PYTHON.glob("lib/python*/site-packages")
    shutil.copy(interpreter.__file__, packages / f"{interpreter.NAME}.py")
    # Before all others: what they import is measured.
    (packages / f"0_{interpreter.NAME}.pth").write_text(f"import {interpreter.NAME}\n")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another disk
        shutil.copy2(source, target)


def _gather(file: Path) -> None:
    """All that was executed, and the names of files of which nothing was."""
    everything = CoverageData(basename=str(file))
    everything.erase()
    for path in (PLACE / "data").iterdir():
        with path.open("rb") as written:
            executed = written.read(int.from_bytes(written.read(interpreter.LENGTH_BYTES), "little"))
        if executed:
            part = CoverageData(no_disk=True)
            part.loads(executed)
            everything.update(part)
    sources = (path for package in interpreter.PACKAGES for path in (ROOT / package).rglob("*.py"))
    everything.touch_files([str(path) for path in sources if path.parent.name != "migrations"])
    everything.write()


if __name__ == "__main__":
    sys.exit(main())
