"""Programs that a bare machine has not. Tests that need one are marked `needs("name")`, or ask for a fixture that does.

Where one is missing they are skipped, and the summary names the package; with REQUIRE_PROGRAMS=1, as in CI, they run
and fail.
"""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = {
    "chromium": "chromium",
    "curl": "curl",
    "ip": "iproute2",
    "nginx": "nginx-light",
    "node": "nodejs",
    "npm": "npm",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "redis-server": "redis-server",
    "tini": "tini",
    "unshare": "util-linux",
    "unzip": "unzip",
    "wget": "wget",
}
FIXTURES = {"chromium": ("chromium",), "enclave": ("ip", "unshare"), "redis_url": ("redis-server",)}


def program(name: str) -> str:
    """Its path. Fails where it is missing: who asks is marked with `needs`."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"This needs {name}: apt-get install {PACKAGES[name]}")
    return found


def skip_what_cannot_run(items: list[pytest.Item]) -> None:
    if os.environ.get("REQUIRE_PROGRAMS"):
        return
    for item in items:
        for name in sorted(_needed(item)):
            if not (shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")):
                item.add_marker(pytest.mark.skip(reason=f"needs {name}: apt-get install {PACKAGES[name]}"))


def _needed(item: pytest.Item) -> set[str]:
    marked = {name for mark in item.iter_markers("needs") for name in mark.args}
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return marked.union(*(FIXTURES.get(fixture, ()) for fixture in fixtures))
