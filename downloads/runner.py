"""One attempt at a job, as a worker slot sees it: start the child, relay what it says, keep the lease, publish.

Whatever the child reports is written under the job's lease. Once the lease is lost the child is killed and nothing
more is touched.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import select
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from downloads import bell, cookies, crash_points, publishing, quotas, reuse, storage, workers
from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.spec import Event, JobSpec
from downloads.engine.supervisor import Attempt
from downloads.models import CookieJar, Job, JobLog, LeaseLostError, MediaFile, Stage
from downloads.specs import spec_of

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
BEAT_SECONDS = 5.0
WRITE_SECONDS = 1.0
ENGINE_WAIT_SECONDS = 15.0
HALF_PERCENT = 50
# Without a database the lease cannot be renewed; past this the job is another worker's.
DATABASE_PATIENCE_SECONDS = 120.0
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
DATABASE_ERRORS = (OperationalError, InterfaceError)


class NotRunError(Exception):
    """The attempt cannot take place, for no fault of the job's: the node is stopping, or the engine is away."""


def run(job: Job) -> None:
    """Runs one attempt to its end. Never raises for what the job or its child do."""
    with structlog.contextvars.bound_contextvars(job_id=str(job.id), attempt=job.attempt):
        Runner(job).run()


class Runner:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.progress: dict[str, Any] = {}
        self.lines: list[tuple[datetime, str, str]] = []
        self.files: list[dict[str, Any]] = []
        self.rows: list[MediaFile] | None = None
        self.error: JobError | None = None
        self.jar: CookieJar | None = None
        self.is_done = False
        self.exit_status: int | None = None
        self.meter: quotas.Meter | None = None
        self.allowance: int | None = None
        self.written_at = self.checked_at = self.renewed_at = time.monotonic()
        self.database_seen_at = time.monotonic()

    def run(self) -> None:
        try:
            self._attempt()
            self._settle()
            self._credit_cookies()
        except LeaseLostError:
            log.info("lease_lost")
        except NotRunError:
            self._persist(self.job.hand_back)
        except OSError as failure:
            log.warning("disk_failed", reason=failure.strerror)
            is_away = not storage.is_there()
            self._persist(self.job.hand_back if is_away else partial(self._fail, self.job, _disk_error(failure)))
        finally:
            self._clean_up()

    # --- The child ----------------------------------------------------------------------------------------------

    def _attempt(self) -> None:
        try:
            with contextlib.ExitStack() as lent:
                cookies_file = self._borrow_cookies(lent)
                if not self._reuse():
                    self._run_child(cookies_file)
        except JobError as error:
            self.error = error

    def _borrow_cookies(self, lent: contextlib.ExitStack) -> str | None:
        """As they are now: what was deleted since the job was submitted is not sent. Raises JobError."""
        try:
            self.jar = cookies.wanted_by(self.job)
            if self.jar is None or self.job.lease is None:
                return None
            return lent.enter_context(cookies.lent(self.jar, self.job.lease))
        except DATABASE_ERRORS as failure:
            connection.close()
            raise NotRunError from failure

    def _reuse(self) -> bool:
        """Takes what the same request has just fetched; what cannot be taken is to be fetched."""
        source = self._persist(partial(reuse.source_of, self.job))
        if source is None:
            return False
        try:
            self.rows, facts = reuse.take(self.job, source, self._beat)
        except OSError as failure:
            log.info("not_reused", reason=failure.strerror)
            return False
        self.progress |= facts
        self.lines.append((datetime.now(UTC), "info", f"Taken from download {source.pk}, which fetched the same."))
        self.is_done, self.jar = True, None
        return True

    def _run_child(self, cookies_file: str | None) -> None:
        storage.prepare_work(self.job.id)
        self._persist(self._open_meter)
        if self.error is not None:
            return
        ear = bell.listen(bell.attempt(self.job.id))
        try:
            crash_points.reach("spawn.before")
            with self._start(cookies_file) as attempt:
                attempt.beat()
                crash_points.reach("spawn.after")
                while not attempt.is_finished:
                    self._wait(attempt, ear)
                    for event in attempt.read(0):
                        self._hear(event)
                    self._tick(attempt)
                if attempt.process_group is None:
                    raise NotRunError
        finally:
            if ear is not None:
                ear.close()
            with contextlib.suppress(LeaseLostError):
                self._charge()

    def _start(self, cookies_file: str | None) -> Attempt:
        """The engine may be restarting; its socket is there again within a second or two."""
        deadline = time.monotonic() + ENGINE_WAIT_SECONDS
        while True:
            try:
                return Attempt.start(self._spec(cookies_file), settings.ENGINE_SOCKET)
            except OSError as failure:
                if time.monotonic() > deadline or workers.is_draining():
                    log.warning("engine_unavailable", reason=str(failure))
                    raise NotRunError from failure
                time.sleep(0.1)

    def _wait(self, attempt: Attempt, ear: Any) -> None:
        listening = [attempt, *([ear] if ear else [])]
        ready, _, _ = select.select(listening, [], [], TICK_SECONDS)
        if ear in ready:
            bell.drain(ear)
            self._check_lease()

    def _tick(self, attempt: Attempt) -> None:
        now = time.monotonic()
        if workers.is_draining():
            attempt.cancel()
            raise NotRunError
        if now - self.renewed_at >= BEAT_SECONDS or (self.progress and now - self.written_at >= WRITE_SECONDS):
            self._write()
            attempt.beat()
            if not self.is_done and (error := self._charge()):
                self.error = error
                attempt.cancel()
        elif now - self.checked_at >= TICK_SECONDS:
            self._check_lease()

    # --- What its owner may have --------------------------------------------------------------------------------

    def _open_meter(self) -> None:
        self.meter = quotas.Meter(self.job)
        self.allowance = self.meter.allowance()
        if self.allowance == 0:
            self.error = self.meter.exhausted()

    def _spec(self, cookies_file: str | None = None) -> JobSpec:
        """The child gets no more bytes than are left of the owner's quota."""
        spec = spec_of(self.job, cookies_file)
        if self.allowance is None or self.allowance >= spec.limits.max_bytes:
            return spec
        return replace(spec, limits=replace(spec.limits, max_bytes=self.allowance))

    def _is_short_of_quota(self) -> bool:
        return self.allowance is not None and self.allowance < spec_of(self.job).limits.max_bytes

    def _charge(self) -> JobError | None:
        """What has arrived, to the owner's day; the error of a day whose bytes are used up."""
        error: JobError | None = None if self.meter is None else self._persist(self.meter.charge)
        return error

    # --- What it says -------------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        handler: Callable[[dict[str, Any]], None] | None = getattr(self, f"_on_{event.name}", None)
        if handler is not None:
            handler(event.data)

    def _on_started(self, data: dict[str, Any]) -> None:
        self.progress["ytdlp_version"] = data.get("ytdlp_version", "")[:32]

    def _on_info(self, data: dict[str, Any]) -> None:
        self.progress |= {
            "title": (data.get("title") or "")[:1000],
            "duration": data.get("duration"),
            "format": data.get("format") or "",
            "metadata": data.get("metadata") or {},
            "total_bytes": _whole(data.get("total_bytes")),
        }

    def _on_progress(self, data: dict[str, Any]) -> None:
        self.progress |= {
            "progress_percent": min(100.0, max(0.0, float(data.get("percent") or 0))),
            "downloaded_bytes": _whole(data.get("downloaded_bytes")) or 0,
            "total_bytes": _whole(data.get("total_bytes")),
            "speed": data.get("speed"),
            "eta": data.get("eta"),
        }
        if self.meter is not None:
            self.meter.note(self.progress["downloaded_bytes"])
        crash_points.reach(f"download.{self._place(data)}")

    def _place(self, data: dict[str, Any]) -> str:
        if data.get("is_between_formats"):
            return "between_formats"
        return "half" if self.progress["progress_percent"] >= HALF_PERCENT else "first_byte"

    def _on_stage(self, data: dict[str, Any]) -> None:
        stage = Stage(data["stage"])
        if stage != self.job.stage:
            self.job.stage = stage
            self._write(stage)
            crash_points.reach(f"stage.{stage}")

    def _on_log(self, data: dict[str, Any]) -> None:
        level = data.get("level", "info")
        if level in JobLog.LEVELS:
            self.lines.append((datetime.now(UTC), level, str(data.get("message", ""))))

    def _on_file(self, data: dict[str, Any]) -> None:
        self.files.append(data)

    def _on_error(self, data: dict[str, Any]) -> None:
        if self.error is not None:
            return
        self.error = JobError(ErrorCode(data["code"]), data.get("message", ""), retry_after=data.get("retry_after"))
        if self.error.code == ErrorCode.TOO_LARGE and self.meter is not None and self._is_short_of_quota():
            self.error = self.meter.exhausted()
        self.lines.append((datetime.now(UTC), "error", self.error.message))

    def _on_done(self, _: dict[str, Any]) -> None:
        self.is_done = True

    def _on_exit(self, data: dict[str, Any]) -> None:
        self.exit_status = data.get("status")

    # --- What is written ----------------------------------------------------------------------------------------

    def _check_lease(self) -> None:
        self.checked_at = time.monotonic()
        if self._persist(Job.objects.held_by_attempt(self.job).exists, otherwise=True):
            return
        raise LeaseLostError("check", "taken away")

    def _write(self, stage: Stage | None = None) -> None:
        """Renews the lease, with whatever progress and log lines have gathered."""
        progress, self.progress = self.progress, {}
        lines, self.lines = self.lines, []
        self.written_at = self.checked_at = self.renewed_at = time.monotonic()
        if stage is None:
            self._persist(lambda: self.job.renew(**progress))
        else:
            self._persist(lambda: self.job.enter(stage, **progress))
        if lines:
            self._persist(lambda: JobLog.objects.append(self.job, lines))

    def _persist(self, action: Callable[[], Any], otherwise: Any = None) -> Any:
        """Runs `action`; while the database is away the child goes on, for as long as DATABASE_PATIENCE_SECONDS."""
        try:
            result = action()
        except DATABASE_ERRORS:
            connection.close()
            if time.monotonic() - self.database_seen_at > DATABASE_PATIENCE_SECONDS:
                raise LeaseLostError("persist", "out of reach") from None
            return otherwise
        self.database_seen_at = time.monotonic()
        return result

    # --- The end ------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Records the outcome; the last write of an attempt is tried until it succeeds or the lease is gone."""
        while True:
            try:
                return self._record()
            except DATABASE_ERRORS:
                connection.close()
                if time.monotonic() - self.database_seen_at > DATABASE_PATIENCE_SECONDS:
                    raise LeaseLostError("settle", "out of reach") from None
                time.sleep(1)

    def _record(self) -> None:
        if self.rows is None and not storage.is_there():
            # Whatever the attempt says of it; the job is run again when the disk is back.
            raise NotRunError
        if self.lines:
            JobLog.objects.append(self.job, self.lines)
            self.lines = []
        if self.is_done and self.error is None:
            self._move()
        # Of its own: a verb changes it also when the database then fails to commit, and so it could not be tried again.
        job = copy.copy(self.job)
        if self.error is not None:
            self._fail(job, self.error)
        elif self.rows is not None:
            self._publish(job, self.rows)
        elif self.exit_status is None:
            # Not even its leash had the time to say anything: it went with the engine, and not by what it did.
            job.lose()
        else:
            job.crash(f"The download process ended unexpectedly (status {self.exit_status}).")

    def _fail(self, job: Job, error: JobError) -> None:
        with transaction.atomic():
            job.fail(error)
            if error.code == ErrorCode.STORAGE_FULL:
                # Before another attempt can be at work there.
                storage.yield_room(job.id)

    def _publish(self, job: Job, rows: list[MediaFile]) -> None:
        try:
            publishing.commit(job, rows, self.progress)
        except JobError as error:
            self._fail(copy.copy(self.job), error)

    def _move(self) -> None:
        """Once: what has been renamed is not there to be renamed again."""
        if self.rows is not None:
            return
        try:
            self.rows = publishing.move(self.job, self.files, self.progress, self._beat)
        except storage.StorageError as failure:
            self.error = JobError(ErrorCode.INTERNAL_ERROR, str(failure))
        except OSError as failure:
            if not storage.is_there():
                raise NotRunError from failure
            self.error = _disk_error(failure)

    def _beat(self) -> None:
        """While files are uploaded. What was not committed belongs to a dead attempt."""
        if workers.is_draining():
            raise NotRunError
        if time.monotonic() - self.renewed_at >= BEAT_SECONDS:
            self._write()
        else:
            self._check_lease()

    def _credit_cookies(self) -> None:
        if self.jar is not None and self.rows is not None and self.error is None:
            self._persist(self.jar.mark_success)

    def _clean_up(self) -> None:
        """Partial files stay for the next attempt, and go when there will be none (or when the sweeper finds out)."""
        with contextlib.suppress(LeaseLostError):
            if not self._persist(Job.objects.unfinished().filter(pk=self.job.pk).exists, otherwise=True):
                crash_points.reach("cleanup.before")
                storage.remove_work(self.job.id)
                crash_points.reach("cleanup.after")


def _disk_error(failure: OSError) -> JobError:
    code = ErrorCode.STORAGE_FULL if failure.errno in NO_ROOM else ErrorCode.INTERNAL_ERROR
    return JobError(code, f"The storage of the server refused: {failure.strerror}.")


def _whole(value: Any) -> int | None:
    return None if value is None else max(0, int(value))
