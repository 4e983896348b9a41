"""Gets a yt-dlp by pip, into a directory of its own below DATA_DIR, and changes nothing that is installed."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from downloads import ytdlp_versions

WANTED = "yt-dlp[default,curl-cffi]"
TIMEOUT_SECONDS = 600
MAX_LINE = 200
KEPT_VARIABLES = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"})
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


class PipError(Exception):
    """What pip says that is wrong."""


def newest() -> str:
    """The version that an update would get. Raises PipError."""
    report = _pip("install", "--dry-run", "--ignore-installed", "--no-deps", "--report", "-", "yt-dlp")
    version: str = json.loads(report)["install"][0]["metadata"]["version"]
    return version


def from_index(version: str = "") -> Path:
    """With all that it needs, so that it stands for itself. Raises PipError."""
    return _install([f"{WANTED}=={version}" if version else WANTED])


def from_wheels(wheels: Sequence[str]) -> Path:
    """What they need is taken from what is installed. Raises PipError."""
    return _install(["--no-index", "--no-deps", *(str(Path(wheel).resolve()) for wheel in wheels)])


def _install(arguments: Sequence[str]) -> Path:
    """Where it lies."""
    target = ytdlp_versions.root() / f"{ytdlp_versions.NEW}{secrets.token_hex(4)}"
    try:
        _pip("install", "--target", str(target), *arguments)
        return target.rename(target.with_name(f"{_version_in(target)}-{secrets.token_hex(4)}"))
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _version_in(target: Path) -> str:
    if version := ytdlp_versions.version_in(target):
        return version
    raise PipError("There is no yt-dlp in it.")


def _pip(action: str, *arguments: str) -> str:
    """What it prints. It builds nothing, since that would run programs of strangers with our rights."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", action, *quiet, *arguments]
    try:
        answer = subprocess.run(  # noqa: S603 - our own command
            command, env=_environment(), capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise PipError(f"pip has taken longer than {TIMEOUT_SECONDS} seconds.") from None
    if answer.returncode:
        raise PipError(_reason(answer.stderr) or f"pip ended with status {answer.returncode}.")
    return answer.stdout


def _reason(said: str) -> str:
    """Its errors without its warnings. One line lists every version that there has ever been."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    return "\n".join(line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…" for line in errors)


def _environment() -> dict[str, str]:
    """What is pip's own settings, and none of our secrets."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or name.lower() in PROXIES or name.startswith("PIP_")
    }
