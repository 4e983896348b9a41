"""The container's health check: asks this node's own port, with nothing but the standard library.

A node of workers alone opens no port: its container lives as long as they are supervised, and what ails them is in
/api/v1/health of a web node.
"""

from __future__ import annotations

import os
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

# What the container was started with.
FIRST_PROCESS = Path("/proc/1/cmdline")
WITHOUT_WEB = re.compile(rb"--only[\0 =]worker\b")


def main() -> int:
    if _has_no_web():
        return 0
    port = os.environ.get("PORT") or "8080"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health/live", timeout=4) as answer:
            return 0 if answer.status == 200 else 1  # noqa: PLR2004
    except (OSError, urllib.error.URLError) as failure:
        print(failure, file=sys.stderr)  # noqa: T201 - what `docker inspect` shows
        return 1


def _has_no_web() -> bool:
    try:
        return WITHOUT_WEB.search(FIRST_PROCESS.read_bytes()) is not None
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
