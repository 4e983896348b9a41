from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from downloads.engine.errors import ERRORS, ErrorCode, JobError
from downloads.models import FINISHED, LEGAL_MOVES, Job, JobEvent, LeaseLostError, Stage, Status, TransitionError
from downloads.models.job import MAX_CRASHES, MAX_FAILURES, MAX_LOSSES, MAX_SNOOZES
from downloads.models.patience import RETRY_CAP, retry_delay
from tests.factories import JobFactory, UserFactory, row

pytestmark = pytest.mark.django_db


def in_status(status: Status) -> Job:
    moment = timezone.now()
    match status:
        case Status.RUNNING:
            return JobFactory(running=True)
        case Status.COMPLETED:
            return JobFactory(finished=True)
        case Status.FAILED:
            return JobFactory(broken=True)
        case Status.CANCELLED:
            return JobFactory(status=status, finished_at=moment)
        case _:
            return JobFactory(status=status)


def error(code: ErrorCode, retry_after: float | None = None) -> JobError:
    return JobError(code, "It did not work.", retry_after=retry_after)


# --- Submitting ---------------------------------------------------------------------------------------------------


def test_submit_writes_the_job_its_first_event_and_a_wake_up() -> None:
    job = Job.submit(owner=UserFactory(), url="http://a.example/x", host="a.example")

    assert job.status == Status.QUEUED
    assert [event.kind for event in job.events.all()] == ["queued"]
    assert OrmQ.objects.filter(key="download").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_submission_that_is_rolled_back_leaves_no_job_and_no_wake_up() -> None:
    owner = UserFactory()

    def submit_and_fail() -> None:
        with transaction.atomic():
            Job.submit(owner=owner, url="http://a.example/x", host="a.example")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        submit_and_fail()

    assert (Job.objects.count(), JobEvent.objects.count(), OrmQ.objects.count()) == (0, 0, 0)


# --- Moves --------------------------------------------------------------------------------------------------------

VERBS: dict[str, tuple[Callable[[Job], Any], Status]] = {
    "cancel": (Job.cancel, Status.CANCELLED),
    "pause": (Job.pause, Status.PAUSED),
    "resume": (Job.resume, Status.QUEUED),
    "retry": (Job.retry, Status.QUEUED),
    "start": (lambda job: job.start("node/1/1"), Status.RUNNING),
    "complete": (Job.complete, Status.COMPLETED),
    "fail": (lambda job: job.fail(error(ErrorCode.NOT_FOUND)), Status.FAILED),
    "hand_back": (Job.hand_back, Status.QUEUED),
}
ALLOWED: dict[str, set[Status]] = {
    "cancel": {Status.QUEUED, Status.RUNNING, Status.PAUSED},
    "pause": {Status.QUEUED, Status.RUNNING},
    "resume": {Status.PAUSED},
    "retry": {Status.FAILED, Status.CANCELLED},
    "start": {Status.QUEUED},
    "complete": {Status.RUNNING},
    "fail": {Status.RUNNING},
    "hand_back": {Status.RUNNING},
}


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("verb", list(VERBS))
def test_a_verb_moves_a_job_only_from_the_states_that_allow_it(verb: str, status: Status) -> None:
    act, target = VERBS[verb]
    job = in_status(status)

    if status in ALLOWED[verb]:
        act(job)
        assert job.status == target == Job.objects.get(pk=job.pk).status
        assert target in LEGAL_MOVES[status]
        assert job.events.count() == 1
    else:
        with pytest.raises(TransitionError):
            act(job)
        assert Job.objects.get(pk=job.pk).status == status
        assert not job.events.exists()


@pytest.mark.parametrize("status", FINISHED)
def test_only_finished_jobs_say_so(status: Status) -> None:
    assert in_status(status).is_finished
    assert not JobFactory().is_finished


def test_each_move_grows_the_version() -> None:
    job = JobFactory()
    versions = [job.version]
    moves: list[Callable[[], None]] = [partial(job.start, "node/1/1"), job.hand_back, job.pause, job.resume]
    for move in [*moves, job.cancel, job.retry]:
        move()
        versions.append(job.version)

    assert versions == sorted(set(versions))


def test_refuses_to_start_a_job_that_another_worker_holds() -> None:
    job = JobFactory()
    stale = Job.objects.get(pk=job.pk)
    job.start("node/1/1")

    with pytest.raises(TransitionError):
        stale.start("node/2/2")
    assert Job.objects.get(pk=job.pk).worker == "node/1/1"


@pytest.mark.parametrize(
    "act", [Job.complete, Job.hand_back, Job.lose, Job.renew, lambda job: job.enter(Stage.PUBLISHING)]
)
def test_an_attempt_without_the_lease_changes_nothing(act: Callable[[Job], Any]) -> None:
    zombie = JobFactory(running=True)
    current = Job.objects.get(pk=zombie.pk)
    current.lose()
    current.start("node/2/2")

    with pytest.raises(LeaseLostError):
        act(zombie)
    row = Job.objects.get(pk=zombie.pk)
    assert (row.status, row.worker, row.lease) == (Status.RUNNING, "node/2/2", current.lease)


def test_cancelling_a_running_job_takes_its_lease_away() -> None:
    job = JobFactory(running=True)
    Job.objects.get(pk=job.pk).cancel()

    with pytest.raises(LeaseLostError):
        job.renew(progress_percent=50)
    assert Job.objects.get(pk=job.pk).progress_percent == 0


def test_renewing_extends_the_lease_and_records_progress() -> None:
    job = JobFactory(running=True, lease_expires_at=timezone.now() + timedelta(seconds=1))
    job.renew(progress_percent=40, downloaded_bytes=4)

    row = Job.objects.get(pk=job.pk)
    assert row.lease_expires_at is not None
    assert row.lease_expires_at > timezone.now() + timedelta(seconds=15)
    assert (row.progress_percent, row.downloaded_bytes) == (40, 4)


def test_entering_a_stage_is_an_event() -> None:
    job = JobFactory(running=True)
    job.enter(Stage.DOWNLOADING)

    event = job.events.get()
    assert (event.kind, event.data["stage"]) == ("stage", "downloading")


def test_a_retry_begins_with_fresh_counters_and_a_new_attempt_number() -> None:
    job = JobFactory(broken=True, failures=4, crashes=2, snoozes=3, progress_percent=70, downloaded_bytes=7)
    job.retry()
    job.start("node/1/1")

    assert (job.failures, job.crashes, job.snoozes, job.progress_percent, job.downloaded_bytes) == (0, 0, 0, 0, 0)
    assert (job.attempt, job.error_code) == (2, "")


def test_a_completed_job_expires_after_its_retention() -> None:
    job = JobFactory(running=True, retention=timedelta(hours=3))
    job.complete()

    assert job.expires_at is not None
    assert abs(job.expires_at - timezone.now() - timedelta(hours=3)) < timedelta(seconds=5)


def test_keeping_a_job_takes_its_expiry_away_or_moves_it() -> None:
    job = JobFactory(finished=True)
    job.keep()
    assert (job.is_kept, job.expires_at) == (True, None)

    job.keep(timedelta(days=2))
    assert job.is_kept is False
    assert job.expires_at is not None
    assert abs(job.expires_at - timezone.now() - timedelta(days=2)) < timedelta(seconds=5)


# --- Failing ------------------------------------------------------------------------------------------------------

RETRYABLE = [code for code in ErrorCode if ERRORS[code].is_retryable]
PERMANENT = [code for code in ErrorCode if not ERRORS[code].is_retryable]
SNOOZED = {ErrorCode.RATE_LIMITED, ErrorCode.STORAGE_FULL}


@pytest.mark.promise("P10")
@pytest.mark.parametrize("code", [code for code in PERMANENT if code not in SNOOZED])
def test_a_permanent_error_fails_the_job_at_once(code: ErrorCode) -> None:
    job = JobFactory(running=True)
    job.fail(error(code))

    assert (job.status, job.error_code, job.error_message) == (Status.FAILED, code, "It did not work.")
    assert job.finished_at is not None


@pytest.mark.promise("P10")
@pytest.mark.parametrize("code", [code for code in RETRYABLE if code not in SNOOZED])
def test_a_passing_error_brings_the_job_back_within_the_envelope(code: ErrorCode) -> None:
    job = JobFactory(running=True)
    job.fail(error(code))

    assert (job.status, job.failures, job.error_code) == (Status.QUEUED, 1, code)
    assert job.is_waiting_for_retry
    assert timedelta(seconds=-5) <= job.eligible_at - timezone.now() <= timedelta(seconds=10)


@pytest.mark.promise("P10")
def test_the_last_failure_is_final() -> None:
    job = JobFactory(running=True, failures=MAX_FAILURES - 1)
    job.fail(error(ErrorCode.NETWORK_ERROR))

    assert (job.status, job.error_code) == (Status.FAILED, "network_error")


@pytest.mark.promise("P10")
@pytest.mark.parametrize("failures", range(1, 12))
def test_retry_delays_have_full_jitter_below_an_exponential_ceiling(failures: int) -> None:
    ceiling = min(RETRY_CAP.total_seconds(), 10 * 2 ** (failures - 1))
    delays = [retry_delay(failures).total_seconds() for _ in range(300)]

    assert 0 <= min(delays) < ceiling * 0.2
    assert ceiling * 0.8 < max(delays) <= ceiling


@pytest.mark.promise("P10")
def test_an_origin_that_asks_for_patience_gets_it_and_nothing_is_charged() -> None:
    job = JobFactory(running=True, failures=MAX_FAILURES - 1)
    job.fail(error(ErrorCode.RATE_LIMITED, retry_after=120))

    assert (job.status, job.failures, job.snoozes) == (Status.QUEUED, MAX_FAILURES - 1, 1)
    assert abs((job.eligible_at - timezone.now()).total_seconds() - 120) < 5


def test_patience_without_a_time_is_not_charged_either() -> None:
    job = JobFactory(running=True, failures=MAX_FAILURES - 1)
    job.fail(error(ErrorCode.ORIGIN_UNAVAILABLE, retry_after=0))

    assert (job.status, job.failures, job.snoozes) == (Status.QUEUED, MAX_FAILURES - 1, 1)
    assert 5 <= (job.eligible_at - timezone.now()).total_seconds() <= 25


def test_patience_has_an_end() -> None:
    job = JobFactory(running=True, snoozes=MAX_SNOOZES - 1)
    job.fail(error(ErrorCode.STORAGE_FULL))

    assert (job.status, job.error_code) == (Status.FAILED, "storage_full")


def test_no_origin_can_put_a_job_off_for_more_than_an_hour() -> None:
    job = JobFactory(running=True)
    job.fail(error(ErrorCode.RATE_LIMITED, retry_after=10_000_000))

    assert job.eligible_at - timezone.now() <= timedelta(hours=1)


@pytest.mark.promise("P10")
def test_a_job_that_keeps_killing_its_child_is_poison() -> None:
    job = JobFactory()
    for _ in range(MAX_CRASHES):
        job.start("node/1/1")
        job.crash("killed by signal 9")

    assert (job.status, job.error_code, job.attempt) == (Status.FAILED, "poisoned", MAX_CRASHES)


def test_a_lost_worker_costs_the_job_nothing_until_it_happens_over_and_over() -> None:
    job = JobFactory()
    for _ in range(MAX_LOSSES - 1):
        job.start("node/1/1")
        job.lose()
        assert job.status == Status.QUEUED
        assert job.failures == 0
    job.start("node/1/1")
    job.lose()

    assert (job.status, job.error_code) == (Status.FAILED, "worker_lost")


def test_a_worker_that_stops_hands_its_job_back_uncharged() -> None:
    job = JobFactory(running=True)
    job.hand_back()

    assert (job.status, job.failures, job.losses) == (Status.QUEUED, 0, 0)
    assert OrmQ.objects.filter(key="download").exists()


# --- What the database itself refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"status": "unheard"}, "job_status_is_known"),
        ({"status": "completed"}, "job_finished_at_iff_finished"),
        ({"finished_at": "2026-01-01T00:00:00Z"}, "job_finished_at_iff_finished"),
        ({"status": "running"}, "job_lease_iff_running"),
        ({"progress_percent": 101}, "job_progress_in_bounds"),
        ({"progress_percent": -1}, "job_progress_in_bounds"),
        ({"downloaded_bytes": -1}, "job_progress_in_bounds"),
        ({"total_bytes": -1}, "job_progress_in_bounds"),
        ({"status": "failed", "finished_at": "2026-01-01T00:00:00Z"}, "job_failed_has_code"),
    ],
)
def test_the_database_refuses_impossible_rows(changes: dict[str, Any], constraint: str) -> None:
    job = JobFactory()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(**changes)


def test_a_lease_belongs_to_one_job() -> None:
    job = JobFactory(running=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        JobFactory(running=True, lease=job.lease)


# --- Races --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_start_one_job_exactly_one_does() -> None:
    job = JobFactory()
    barrier = threading.Barrier(8)
    winners: list[str] = []

    def race(name: str) -> None:
        mine = Job.objects.get(pk=job.pk)
        barrier.wait()
        try:
            mine.start(name)
            winners.append(name)
        except TransitionError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(f"node/{number}/1",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    row = Job.objects.get(pk=job.pk)
    assert [row.worker] == winners
    assert (row.attempt, row.events.count()) == (1, 1)


def test_resuming_keeps_the_time_that_a_job_was_submitted_for() -> None:
    start = timezone.now() + timedelta(days=3)
    job = JobFactory(eligible_at=start)
    job.pause()
    job.resume()
    assert abs(row(Job, job.pk).eligible_at - start) < timedelta(seconds=1)


def test_resuming_what_has_run_before_is_for_now() -> None:
    job = JobFactory(status="paused", attempt=1, eligible_at=timezone.now() + timedelta(days=3))
    job.resume()
    assert row(Job, job.pk).eligible_at <= timezone.now() + timedelta(seconds=5)
