"""What this node has and lacks, each finding with what to do about it: `doctor`, health and the node's row read it."""

from __future__ import annotations

import functools
import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection

from downloads import storage, ytdlp_versions
from downloads.engine import sandbox
from downloads.engine.tools import find_ffmpeg, find_javascript, version_of

# Of no file: the store says that it is not there, or what is wrong.
PROBE_KEY = "00000000-0000-0000-0000-000000000000/0/00000000-0000-0000-0000-000000000000.none"

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    name: str
    status: Status
    message: str
    remedy: str = ""


def findings() -> list[Finding]:
    return [database(), storage_directory(), *bucket(), ytdlp(), ffmpeg(), javascript(), guard(), sandboxing()]


def node_facts() -> dict[str, Any]:
    """The columns of this node's row."""
    found = [storage_directory(), *bucket(), ytdlp(), ffmpeg(), javascript(), guard(), sandboxing()]
    return {
        "version": version(),
        "ytdlp_version": ytdlp_versions.in_use(),
        "slots": settings.WORKERS,
        "sandbox": sandbox.probe().level,
        "components": {item.name: _part(item) for item in found},
    }


def _part(item: Finding) -> dict[str, str]:
    said = {"status": item.status, "message": item.message}
    return said | {"remedy": item.remedy} if item.remedy else said


@functools.cache
def version() -> str:
    text = (Path(settings.BASE_DIR) / "pyproject.toml").read_text()
    return text.partition('\nversion = "')[2].partition('"')[0]


def database() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as failure:
        remedy = "Check DATABASE_URL, and that the server runs and lets this machine in."
        return Finding(name="database", status="error", message=str(failure).strip(), remedy=remedy)
    return Finding(name="database", status="ok", message=connection.vendor)


def storage_directory() -> Finding:
    """Writes for real: a mount may be read-only, full or owned by somebody else."""
    here = settings.DATA_DIR
    if not storage.is_there():
        remedy = "Mount the disk. Nothing is written, and jobs wait, until it is there."
        return Finding(name="storage", status="error", message=f"{here}: not there", remedy=remedy)
    try:
        with tempfile.NamedTemporaryFile(dir=settings.WORK_ROOT) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as failure:
        remedy = f"Give user {os.getuid()} a writable {here}: chown -R {os.getuid()} {here}, or set DATA_DIR."
        return Finding(name="storage", status="error", message=f"{here}: {failure.strerror}", remedy=remedy)
    if not storage.has_room():
        remedy = "Free some space, shorten FILE_RETENTION_HOURS, or lower STORAGE_RESERVE_BYTES."
        return Finding(name="storage", status="warning", message=f"{here} has no room left", remedy=remedy)
    return Finding(name="storage", status="ok", message=f"{storage.free_bytes() // 1024**2:,} MB free in {here}")


def bucket() -> list[Finding]:
    """One where there is a bucket."""
    if not settings.S3_BUCKET:
        return []
    try:
        storage.has(PROBE_KEY)
    except OSError as failure:
        remedy = "Check S3_BUCKET, S3_ENDPOINT_URL and the key, and that this machine reaches the store."
        return [Finding(name="bucket", status="error", message=failure.strerror or str(failure), remedy=remedy)]
    return [Finding(name="bucket", status="ok", message=f"{settings.S3_BUCKET} answers")]


def ytdlp() -> Finding:
    used, chosen = ytdlp_versions.in_use(), ytdlp_versions.directory()
    running = ytdlp_versions.running()
    if chosen is not None and running is not None and running.overlay != str(chosen):
        remedy = "See the log of `manage.py up`; then run manage.py ytdlp_update again, or with --rollback."
        message = f"{used} is in use, and not the one that was chosen, {ytdlp_versions.version_in(chosen)}"
        return Finding(name="yt_dlp", status="warning", message=message, remedy=remedy)
    where = f"in {chosen}" if chosen else "as installed"
    return Finding(name="yt_dlp", status="ok", message=f"{used}, {where}")


@functools.cache
def ffmpeg() -> Finding:
    program = find_ffmpeg(settings.FFMPEG_LOCATION)
    said = version_of(program) if program else None
    if said is None:
        remedy = "Install ffmpeg, or the imageio-ffmpeg wheel, or point FFMPEG_LOCATION at one."
        return Finding(name="ffmpeg", status="error", message="not found: nothing can be merged", remedy=remedy)
    return Finding(name="ffmpeg", status="ok", message=f"{said} ({program})")


@functools.cache
def javascript() -> Finding:
    program = find_javascript()
    said = version_of(program) if program else None
    if said is None:
        remedy = "Install the deno wheel (it is in requirements.txt) or put deno on PATH."
        return Finding(name="javascript", status="warning", message="no runtime: YouTube will fail", remedy=remedy)
    return Finding(name="javascript", status="ok", message=said)


def guard() -> Finding:
    """Whether the egress proxy of this node accepts connections; it is started by `up`."""
    address = urlsplit(settings.GUARD_URL)
    if not address.port:
        return Finding(name="guard", status="ok", message="started by `manage.py up`")
    try:
        socket.create_connection((address.hostname or "127.0.0.1", address.port), timeout=2).close()
    except OSError as failure:
        remedy = "See the log of `manage.py up`; it restarts the guard by itself."
        return Finding(name="guard", status="error", message=str(failure), remedy=remedy)
    return Finding(name="guard", status="ok", message=f"answers on {address.netloc}")


def sandboxing() -> Finding:
    found = sandbox.probe()
    if found.level == "full":
        return Finding(name="sandbox", status="ok", message="Landlock, seccomp and limits")
    status: Status = "error" if settings.REQUIRE_SANDBOX else "warning"
    remedy = "Use a kernel with Landlock (5.13 or later; 6.7 for the network) and seccomp filters."
    return Finding(name="sandbox", status=status, message=f"{found.level}: {'; '.join(found.reasons)}", remedy=remedy)
