"""The container's health check: asks this node's own port, with nothing but the standard library."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request


def main() -> int:
    port = os.environ.get("PORT") or "8080"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health/live", timeout=4) as answer:
            return 0 if answer.status == 200 else 1  # noqa: PLR2004
    except (OSError, urllib.error.URLError) as failure:
        print(failure, file=sys.stderr)  # noqa: T201 - what `docker inspect` shows
        return 1


if __name__ == "__main__":
    sys.exit(main())
