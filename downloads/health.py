"""Whether the service does its work, as everybody may know it: no addresses, paths or versions of its parts."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

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
    """`said`: words of the source, with the names of `values` where these are filled in."""

    name: str
    status: Status = "ok"
    said: str = "ok"
    values: dict[str, Any] = field(default_factory=dict)
    latency_ms: float | None = None

    @property
    def message(self) -> str:
        return gettext(self.said).format(**self.values)


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
    return Check(name="database", status="error", said=gettext_noop("The database does not answer."))


def storage_directory() -> Check:
    found = diagnosis.storage_directory()
    said = {
        "ok": "ok",
        "warning": gettext_noop("There is no room for more files."),
        "error": gettext_noop("Files cannot be written."),
    }
    return Check(name="storage", status=found.status, said=said[found.status])


def access() -> Check:
    if settings.REQUIRE_API_KEY:
        return Check(name="access")
    said = gettext_noop("REQUIRE_API_KEY is false: anybody may use the API.")
    return Check(name="access", status="warning", said=said)


def workers() -> Check:
    nodes = list(Node.objects.workers().alive())
    if nodes:
        values = {"count": len(nodes), "slots": sum(node.slots for node in nodes)}
        return Check(name="workers", said=gettext_noop("{count} alive, {slots} downloads at a time"), values=values)
    # One that is just being started or updated is no outage; jobs that nobody takes are.
    is_stuck = Job.objects.longest_wait_seconds() > PATIENCE_SECONDS
    said = gettext_noop("No worker has been heard of.")
    return Check(name="workers", status="error" if is_stuck else "warning", said=said)


def queue() -> Check:
    values: dict[str, Any] = {
        "count": Job.objects.eligible().count(),
        "seconds": f"{Job.objects.longest_wait_seconds():.0f}",
    }
    if is_paused := Hold.objects.of(HoldKind.QUEUE).exists():
        said = gettext_noop("Paused by an operator; {count} waiting, the first of them for {seconds} s")
    else:
        said = gettext_noop("{count} waiting, the first of them for {seconds} s")
    status: Status = "warning" if is_paused or values["count"] > LONG_QUEUE else "ok"
    return Check(name="queue", status=status, said=said, values=values)


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
        return Check(name=YTDLP, status="warning", said=gettext_noop("not found"))
    # Said without the versions: only operators are shown those.
    said = gettext_noop("Workers use different versions of yt-dlp.")
    return found if len(versions) == 1 else Check(name=YTDLP, said=said)


def _component(name: str, nodes: list[Node]) -> Check | None:
    statuses = [node.components[name].get("status") for node in nodes if name in node.components]
    if not statuses:
        return None
    worst = max(statuses, key=lambda status: WORSE.index(status) if status in WORSE else 0)
    advice = gettext_noop("Run manage.py doctor on the worker's machine: it says what to do.")
    return Check(name=name, status=worst, said="ok" if worst == "ok" else advice)


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
