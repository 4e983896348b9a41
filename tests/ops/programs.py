"""Programs of Debian that check what is in ops/; where one is not installed, its tests are skipped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project.tree import ROOT

OPS = ROOT / "ops"


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/local/bin:/usr/bin:/bin") or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program(name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
