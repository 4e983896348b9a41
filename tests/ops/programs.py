"""Programs of Debian that check what is in ops/."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.programs import program
from tests.project.tree import ROOT

OPS = ROOT / "ops"


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program(name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
