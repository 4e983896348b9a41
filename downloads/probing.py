"""Looks at pages without downloading: who asks gets one row, a worker of the probe lane fills it.

The lane is a cluster of its own, so that no look waits behind downloads. The engine's child does the looking.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext

from accounts.models import User
from downloads import addresses, bell, cookies, workers
from downloads.api.problem import Problem, refused
from downloads.engine.errors import ERRORS, ErrorCode, JobError
from downloads.engine.marking import gettext_noop
from downloads.engine.spec import Event, JobSpec, Limits, ProbeRequest
from downloads.engine.supervisor import Attempt, ForkServerUnavailable
from downloads.engine.tools import find_ffmpeg
from downloads.models import Batch, CookieJar, Hold, LeaseLostError, Probe, ProbeKind, TransitionError

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
BEAT_SECONDS = 5.0
ENGINE_WAIT_SECONDS = 15.0
MAX_FORMATS = 500
MAX_PAGES_BYTES = 64 * 1024**2
MAX_WAITING_PER_OWNER = 50
QUOTA_RETRY_SECONDS = 5
# Any constant will do, as long as nothing else uses it for two-part locks.
ASKING_LOCK = 0x6D64_6C33


class NotRunError(Exception):
    """The look could not be taken, for no fault of the page's: the node is stopping, or the engine is away."""


# --- Asking -----------------------------------------------------------------------------------------------------


def ask(
    owner: User, kind: ProbeKind, url: str, jar: CookieJar | None = None, max_age: timedelta | None = None
) -> Probe:
    """The probe that answers it: a fresh or running one, else a new one with its wake-up. Raises Problem.

    With `max_age`, none that has found something longer ago.
    """
    if not addresses.is_allowed(addresses.parse(url).host, settings.ALLOWED_DOMAINS, settings.BLOCKED_DOMAINS):
        raise refused("url", "domain_not_allowed", f"{gettext(ERRORS[ErrorCode.DOMAIN_NOT_ALLOWED].title)}.")
    fingerprint = _fingerprint(kind, url, jar)
    mine = Probe.objects.owned_by(owner)
    fresh = mine.current() if max_age is None else mine.just_taken(max_age)
    known = fresh.filter(fingerprint=fingerprint)
    if probe := known.join():
        return probe
    with transaction.atomic():
        _one_at_a_time(owner)
        if probe := known.join():
            return probe
        if jar and not CookieJar.objects.lock(jar.pk):
            raise cookies.gone()
        _check_quota(owner)
        probe = Probe.objects.create(owner=owner, kind=kind, url=url, cookies=jar, fingerprint=fingerprint)
        bell.ring(bell.PROBE)
    return probe


def _fingerprint(kind: ProbeKind, url: str, jar: CookieJar | None) -> str:
    """A page looks different to whoever is signed in."""
    parts = [kind, url, *([str(jar.pk)] if jar else [])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _check_quota(owner: User) -> None:
    if Probe.objects.owned_by(owner).live().count() >= MAX_WAITING_PER_OWNER:
        said = gettext("You can have {count} pages looked at. Try again when some of them are done.")
        detail = said.format(count=MAX_WAITING_PER_OWNER)
        raise Problem(429, "quota_exceeded", detail, headers={"Retry-After": str(QUOTA_RETRY_SECONDS)})


def _one_at_a_time(owner: User) -> None:
    # SQLite needs nothing: its transactions begin IMMEDIATE.
    if connection.vendor == "postgresql":
        half = int.from_bytes(owner.pk.bytes[-4:], signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [ASKING_LOCK, half])


# --- Looking ----------------------------------------------------------------------------------------------------


def claim(worker: str) -> Probe | None:
    """The oldest queued probe of the owner who has the fewest running ones, started in the name of `worker`."""
    if Hold.objects.holds_node(worker):
        return None
    while probe := _next():
        with contextlib.suppress(TransitionError):
            probe.start(worker)
            return probe
    return None


def _next() -> Probe | None:
    running = Counter(Probe.objects.running().values_list("owner", flat=True))
    queued = Probe.objects.queued().order_by("id").values_list("owner", "pk")[:1000]
    first = min(queued, key=lambda row: (running[row[0]], row[1]), default=None)
    return Probe.objects.filter(pk=first[1]).first() if first else None


def run(probe: Probe) -> None:
    """Takes one look and records what came of it. Never raises for what the page or the child do."""
    with structlog.contextvars.bound_contextvars(probe_id=str(probe.pk)), contextlib.suppress(LeaseLostError):
        try:
            found = _look(probe)
        except NotRunError:
            probe.hand_back()
        except JobError as error:
            probe.fail(error)
        else:
            _record(probe, found)


@dataclass(slots=True, kw_only=True)
class Found:
    """What a child has told so far."""

    limit: int
    result: dict[str, Any] | None = None
    items: list[dict[str, Any]] = field(default_factory=list)
    error: JobError | None = None
    is_done: bool = False

    def hear(self, event: Event) -> None:
        if event.name == "result":
            self.result = event.data["result"]
        elif event.name == "items" and len(self.items) <= self.limit:
            self.items += event.data["items"]
        elif event.name == "error":
            data = event.data
            self.error = JobError(ErrorCode(data["code"]), data.get("message", ""), retry_after=data.get("retry_after"))
        elif event.name == "done":
            self.is_done = True


def _look(probe: Probe) -> Found:
    found = Found(limit=_limit(probe))
    with _workplace(probe.pk) as directory, _cookies(probe) as path, _start(probe, directory, path) as attempt:
        attempt.beat()
        renewed_at = time.monotonic()
        while not attempt.is_finished:
            for event in attempt.read(TICK_SECONDS):
                found.hear(event)
            if workers.is_draining():
                raise NotRunError
            if time.monotonic() - renewed_at >= BEAT_SECONDS:
                renewed_at = time.monotonic()
                probe.renew()
                attempt.beat()
                workers.beat(bell.PROBE)
        if attempt.process_group is None:
            raise NotRunError
    return found


def _record(probe: Probe, found: Found) -> None:
    if found.error is not None:
        probe.fail(found.error)
    elif found.result is None or not found.is_done:
        probe.fail(
            JobError(ErrorCode.INTERNAL_ERROR, gettext_noop("The process that looked at the page ended unexpectedly"))
        )
    else:
        items = found.items[: found.limit]
        probe.complete({**found.result, "items": items, "truncated": len(found.items) > found.limit})
        if probe.cookies is not None:
            probe.cookies.mark_success()


@contextlib.contextmanager
def _cookies(probe: Probe) -> Iterator[str | None]:
    jar = probe.cookies
    with cookies.lent(jar, probe.lease) if jar and probe.lease else contextlib.nullcontext() as path:
        yield path


def _start(probe: Probe, directory: Path, cookies_file: str | None) -> Attempt:
    """The engine may be restarting; its socket is there again within a second or two."""
    spec, deadline = _spec_of(probe, directory, cookies_file), time.monotonic() + ENGINE_WAIT_SECONDS
    while True:
        try:
            return Attempt.start(spec, settings.ENGINE_SOCKET, timeout=TICK_SECONDS)
        except ForkServerUnavailable as failure:
            if time.monotonic() > deadline or workers.is_draining():
                log.warning("engine_unavailable", reason=str(failure))
                raise NotRunError from failure


def _spec_of(probe: Probe, directory: Path, cookies_file: str | None) -> JobSpec:
    seconds = settings.PROBE_TIMEOUT_SEC
    return JobSpec(
        job_id=str(probe.pk),
        attempt=probe.losses + 1,
        url=probe.url,
        work_directory=str(directory),
        proxy_url=settings.GUARD_URL,
        ffmpeg_location=find_ffmpeg(settings.FFMPEG_LOCATION) or "",
        limits=Limits(
            wall_clock_seconds=seconds,
            no_progress_seconds=seconds,
            max_bytes=MAX_PAGES_BYTES,
            memory_bytes=settings.MEMORY_LIMIT_BYTES,
        ),
        cookies_file=cookies_file,
        require_sandbox=settings.REQUIRE_SANDBOX,
        probe=ProbeRequest(kind="list" if probe.kind == ProbeKind.LIST else "media", max_items=_limit(probe)),
    )


def _limit(probe: Probe) -> int:
    return settings.MAX_PLAYLIST_ITEMS if probe.kind == ProbeKind.LIST else MAX_FORMATS


@contextlib.contextmanager
def _workplace(probe_id: UUID) -> Iterator[Path]:
    """Beside the work of jobs, whose directories the audit compares with their rows."""
    directory = _workplaces() / str(probe_id)
    for path in (directory.parent, directory):
        path.mkdir(mode=0o700, exist_ok=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _workplaces() -> Path:
    return Path(settings.RUN_ROOT) / "probes"


# --- What died in between ---------------------------------------------------------------------------------------


def recover() -> int:
    """Gives back what dead workers of this node held, and on any node what has not been renewed."""
    dead = [probe for probe in Probe.objects.on_node(settings.NODE_NAME) if not workers.is_alive(probe.worker)]
    return sum(_lose(probe) for probe in [*dead, *Probe.objects.stalled()])


def ring_for_waiting() -> None:
    """A wake-up that was lost has no other bell."""
    for _ in range(Probe.objects.queued()[: settings.PROBE_WORKERS].count()):
        bell.ring(bell.PROBE)


def purge() -> None:
    """Rows that answer nobody any more, and what dead attempts have left on this node's disk."""
    Probe.objects.outdated().exclude(batches__in=Batch.objects.expanding()).delete()
    left = {path.name: path for path in _workplaces().glob("*")}
    alive = {str(pk) for pk in Probe.objects.running().values_list("pk", flat=True)}
    for name in left.keys() - alive:
        shutil.rmtree(left[name], ignore_errors=True)


def _lose(probe: Probe) -> bool:
    # Another sweeper, or the worker itself, may be first.
    with contextlib.suppress(LeaseLostError):
        probe.lose()
        return True
    return False
