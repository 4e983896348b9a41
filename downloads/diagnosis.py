"""What this node has and lacks, each finding with what to do about it: `doctor`, health and the node's row read it.

A finding keeps its words as the source has them, apart from what is filled in, and says them in the reader's language.
"""

from __future__ import annotations

import functools
import os
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.translation import gettext

from downloads import storage, ytdlp_versions
from downloads.engine import sandbox
from downloads.engine.marking import gettext_noop
from downloads.engine.tools import find_ffmpeg, find_javascript, version_of

if TYPE_CHECKING:
    from downloads.models import Node

# Of no file: the store says that it is not there, or what is wrong.
PROBE_KEY = "00000000-0000-0000-0000-000000000000/0/00000000-0000-0000-0000-000000000000.none"

Status = Literal["ok", "warning", "error"]
STATES = {"ok": gettext_noop("ok"), "warning": gettext_noop("warning"), "error": gettext_noop("error")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`said`, `advice`: words of the source, with the names of `values` where these are filled in."""

    name: str
    status: Status
    said: str
    advice: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        return gettext(self.said).format(**self.values)

    @property
    def remedy(self) -> str:
        return gettext(self.advice).format(**self.values) if self.advice else ""

    @property
    def state(self) -> str:
        return gettext(STATES[self.status])


def findings() -> list[Finding]:
    return [database(), storage_directory(), *bucket(), ytdlp(), ffmpeg(), javascript(), guard(), sandboxing()]


def node_facts() -> dict[str, Any]:
    """The columns of this node's row, as far as every node has them."""
    found = [storage_directory(), *bucket(), ytdlp(), ffmpeg(), javascript(), guard(), sandboxing()]
    return {
        "version": version(),
        "ytdlp_version": ytdlp_versions.in_use(),
        "sandbox": sandbox.probe().level,
        "components": {item.name: _part(item) for item in found},
    }


def troubles_of(node: Node) -> list[dict[str, str]]:
    """Of what a node says of itself, in its own words: in the reader's as far as nothing was filled in."""
    return [
        {"name": name} | {key: gettext(part[key]) if part.get(key) else "" for key in ("message", "remedy")}
        for name, part in node.components.items()
        if part["status"] != "ok"
    ]


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
        remedy = gettext_noop("Check DATABASE_URL, and that the server runs and lets this machine in.")
        return _failed("database", failure, remedy)
    return Finding(name="database", status="ok", said="{vendor}", values={"vendor": connection.vendor})


def storage_directory() -> Finding:
    """Writes for real: a mount may be read-only, full or owned by somebody else."""
    values = {"place": settings.DATA_DIR, "user": os.getuid()}
    if not storage.is_there():
        said = gettext_noop("{place}: not there")
        remedy = gettext_noop("Mount the disk. Nothing is written, and jobs wait, until it is there.")
        return Finding(name="storage", status="error", said=said, advice=remedy, values=values)
    try:
        with tempfile.NamedTemporaryFile(dir=settings.WORK_ROOT) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as failure:
        remedy = gettext_noop("Give user {user} a writable {place}: chown -R {user} {place}, or set DATA_DIR.")
        values |= {"failure": failure.strerror}
        return Finding(name="storage", status="error", said="{place}: {failure}", advice=remedy, values=values)
    if not storage.has_room():
        said = gettext_noop("{place} has no room left")
        remedy = gettext_noop("Free some space, shorten FILE_RETENTION_HOURS, or lower STORAGE_RESERVE_BYTES.")
        return Finding(name="storage", status="warning", said=said, advice=remedy, values=values)
    values |= {"count": storage.free_bytes() // 1024**2}
    return Finding(name="storage", status="ok", said=gettext_noop("{count} MB free in {place}"), values=values)


def bucket() -> list[Finding]:
    """One where there is a bucket."""
    if not settings.S3_BUCKET:
        return []
    try:
        storage.has(PROBE_KEY)
    except OSError as failure:
        remedy = gettext_noop("Check S3_BUCKET, S3_ENDPOINT_URL and the key, and that this machine reaches the store.")
        return [_failed("bucket", failure.strerror or failure, remedy)]
    values = {"bucket": settings.S3_BUCKET}
    return [Finding(name="bucket", status="ok", said=gettext_noop("{bucket} answers"), values=values)]


def ytdlp() -> Finding:
    used, chosen = ytdlp_versions.in_use(), ytdlp_versions.directory()
    running = ytdlp_versions.running()
    if chosen is not None and running is not None and running.overlay != str(chosen):
        remedy = gettext_noop(
            "See the log of `manage.py up`; then run manage.py ytdlp_update again, or with --rollback."
        )
        said = gettext_noop("{used} is in use, and not the one that was chosen, {chosen}")
        values: dict[str, Any] = {"used": used, "chosen": ytdlp_versions.version_in(chosen)}
        return Finding(name="yt_dlp", status="warning", said=said, advice=remedy, values=values)
    said = gettext_noop("{used}, in {place}") if chosen else gettext_noop("{used}, as installed")
    return Finding(name="yt_dlp", status="ok", said=said, values={"used": used, "place": chosen})


@functools.cache
def ffmpeg() -> Finding:
    program = find_ffmpeg(settings.FFMPEG_LOCATION)
    version = version_of(program) if program else None
    if version is None:
        said = gettext_noop("not found: nothing can be merged")
        remedy = gettext_noop("Install ffmpeg, or the imageio-ffmpeg wheel, or point FFMPEG_LOCATION at one.")
        return Finding(name="ffmpeg", status="error", said=said, advice=remedy)
    values = {"version": version, "program": program}
    return Finding(name="ffmpeg", status="ok", said="{version} ({program})", values=values)


@functools.cache
def javascript() -> Finding:
    program = find_javascript()
    version = version_of(program) if program else None
    if version is None:
        said = gettext_noop("no runtime: YouTube will fail")
        remedy = gettext_noop("Install the deno wheel (it is in requirements.txt) or put deno on PATH.")
        return Finding(name="javascript", status="warning", said=said, advice=remedy)
    return Finding(name="javascript", status="ok", said="{version}", values={"version": version})


def guard() -> Finding:
    """Whether the egress proxy of this node accepts connections; it is started by `up`."""
    address = urlsplit(settings.GUARD_URL)
    if not address.port:
        return Finding(name="guard", status="ok", said=gettext_noop("started by `manage.py up`"))
    try:
        socket.create_connection((address.hostname or "127.0.0.1", address.port), timeout=2).close()
    except OSError as failure:
        remedy = gettext_noop("See the log of `manage.py up`; it restarts the guard by itself.")
        return _failed("guard", failure, remedy)
    values = {"place": address.netloc}
    return Finding(name="guard", status="ok", said=gettext_noop("answers on {place}"), values=values)


def sandboxing() -> Finding:
    found = sandbox.probe()
    if found.level == "full":
        return Finding(name="sandbox", status="ok", said=gettext_noop("Landlock, seccomp and limits"))
    status: Status = "error" if settings.REQUIRE_SANDBOX else "warning"
    remedy = gettext_noop("Use a kernel with Landlock (5.13 or later; 6.7 for the network) and seccomp filters.")
    values = {"level": found.level, "reasons": "; ".join(found.reasons)}
    return Finding(name="sandbox", status=status, said="{level}: {reasons}", advice=remedy, values=values)


def _failed(name: str, failure: object, remedy: str) -> Finding:
    """In the words of whoever failed."""
    said = str(failure).strip()
    return Finding(name=name, status="error", said="{failure}", advice=remedy, values={"failure": said})
