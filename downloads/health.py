"""Whether the service does its work, as everybody may know it: no addresses, paths or versions of its parts."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from downloads import diagnosis
from downloads.models import Hold, HoldKind, Job, Node

Status = Literal["ok", "warning", "error"]
Verdict = Literal["healthy", "degraded", "unhealthy"]

# Nobody who asks more often costs more.
FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
LONG_QUEUE = 100
# Without these the service is of no use to anybody.
VITAL = frozenset({"database", "storage", "workers"})
COMPONENTS = ("bucket", "ffmpeg", "javascript", "guard", "engine", "sandbox")
YTDLP = "yt_dlp"
WORSE = ("ok", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    status: Status = "ok"
    message: str = "ok"
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    verdict: Verdict
    taken_at: datetime
    checks: tuple[Check, ...]


class Health:
    """The latest report, made anew when it is old; one thread at a time does so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._report: Report | None = None
        self._made_at = 0.0

    def report(self) -> Report:
        with self._lock:
            if self._report is None or time.monotonic() - self._made_at > FRESH_SECONDS:
                self._report = examine()
                self._made_at = time.monotonic()
            return self._report


HEALTH = Health()


def examine() -> Report:
    checks = [_timed(database), _timed(storage_directory), access()]
    if checks[0].status == "ok":
        checks += [workers(), queue(), *components()]
    return Report(verdict=_verdict(checks), taken_at=timezone.now(), checks=tuple(checks))


def _verdict(checks: list[Check]) -> Verdict:
    if any(check.status == "error" and check.name in VITAL for check in checks):
        return "unhealthy"
    return "healthy" if all(check.status == "ok" for check in checks) else "degraded"


def _timed(check: Callable[[], Check]) -> Check:
    started = time.perf_counter()
    found = check()
    return replace(found, latency_ms=round((time.perf_counter() - started) * 1000, 2))


# --- The checks ---------------------------------------------------------------------------------------------------


def database() -> Check:
    found = diagnosis.database()
    if found.status == "ok":
        return Check(name="database")
    return Check(name="database", status="error", message="The database does not answer.")


def storage_directory() -> Check:
    found = diagnosis.storage_directory()
    messages = {"ok": "ok", "warning": "There is no room for more files.", "error": "Files cannot be written."}
    return Check(name="storage", status=found.status, message=messages[found.status])


def access() -> Check:
    if settings.REQUIRE_API_KEY:
        return Check(name="access")
    return Check(name="access", status="warning", message="REQUIRE_API_KEY is false: anybody may use the API.")


def workers() -> Check:
    nodes = list(Node.objects.alive())
    if nodes:
        slots = sum(node.slots for node in nodes)
        return Check(name="workers", message=f"{len(nodes)} alive, {slots} downloads at a time")
    # One that is just being started or updated is no outage; jobs that nobody takes are.
    is_stuck = Job.objects.longest_wait_seconds() > PATIENCE_SECONDS
    return Check(name="workers", status="error" if is_stuck else "warning", message="No worker has been heard of.")


def queue() -> Check:
    waiting = Job.objects.eligible().count()
    message = f"{waiting} waiting, the first of them for {Job.objects.longest_wait_seconds():.0f} s"
    if is_paused := Hold.objects.of(HoldKind.QUEUE).exists():
        message = f"Paused by an operator; {message}"
    return Check(name="queue", status="warning" if is_paused or waiting > LONG_QUEUE else "ok", message=message)


def components() -> list[Check]:
    """What the nodes say of themselves: the worst of each."""
    nodes = list(Node.objects.alive())
    if not nodes:
        return []
    return [_ytdlp(nodes), *(check for name in COMPONENTS if (check := _component(name, nodes)))]


def _ytdlp(nodes: list[Node]) -> Check:
    found = _component(YTDLP, nodes) or Check(name=YTDLP)
    if found.status != "ok":
        return found
    versions = {node.ytdlp_version for node in nodes}
    if "" in versions:
        return Check(name=YTDLP, status="warning", message="not found")
    # Said without the versions: only operators are shown those.
    return found if len(versions) == 1 else Check(name=YTDLP, message="Workers use different versions of yt-dlp.")


def _component(name: str, nodes: list[Node]) -> Check | None:
    statuses = [node.components[name].get("status") for node in nodes if name in node.components]
    if not statuses:
        return None
    worst = max(statuses, key=lambda status: WORSE.index(status) if status in WORSE else 0)
    message = "ok" if worst == "ok" else "Run manage.py doctor on the worker's machine: it says what to do."
    return Check(name=name, status=worst, message=message)


# --- Ready, and since when ------------------------------------------------------------------------------------------


class Readiness:
    """Of the database and its schema. Migrations are only read until they have been found applied once."""

    _is_migrated = False

    def reason(self) -> str | None:
        """Why the service is not ready, or None."""
        try:
            if diagnosis.database().status != "ok":
                return "The database does not answer."
            self._is_migrated = self._is_migrated or not _unapplied()
        except DatabaseError:
            return "The database does not answer."
        return None if self._is_migrated else "The database is being migrated."


READINESS = Readiness()


def _unapplied() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@functools.cache
def started_at() -> datetime:
    """When this process was started, by the kernel's account."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return timezone.now() - timedelta(seconds=age)


def uptime_seconds() -> float:
    return round((timezone.now() - started_at()).total_seconds(), 1)
