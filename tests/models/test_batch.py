from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from downloads import batches, sweeping
from downloads.claims import claim
from downloads.engine.errors import ErrorCode, JobError
from downloads.models import Batch, BatchEvent, BatchStatus, Counter, Job, JobEvent, Status, Tally, TransitionError
from tests.factories import BatchFactory, JobFactory, UserFactory

pytestmark = pytest.mark.django_db
WORKER = "node/1/1"


def batch_of(*traits: dict[str, Any], **fields: Any) -> Batch:
    batch = BatchFactory(**fields)
    for index, trait in enumerate(traits, start=1):
        JobFactory(batch=batch, owner=batch.owner, playlist_index=index, **trait)
    return batch


def jobs(batch: Batch) -> list[Job]:
    return list(batch.jobs.in_order())


def reread(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def finish(job: Job) -> None:
    job.start(WORKER)
    job.complete()


def break_(job: Job) -> None:
    job.start(WORKER)
    job.fail(JobError(ErrorCode.NOT_FOUND))


# --- The end ----------------------------------------------------------------------------------------------------


def test_a_batch_ends_with_the_last_of_its_jobs_and_says_so_once() -> None:
    batch = batch_of({}, {})
    first, second = jobs(batch)
    finish(first)
    assert reread(batch).status == BatchStatus.RUNNING
    finish(second)
    batch = reread(batch)
    assert (batch.status, batch.finished_at is not None) == (BatchStatus.COMPLETED, True)
    assert [(event.kind, event.data["status"]) for event in batch.events.all()] == [("completed", "completed")]


@pytest.mark.parametrize(
    ("ends", "fields", "status"),
    [
        ([finish, break_], {}, BatchStatus.COMPLETED),
        ([finish, break_], {"ignore_errors": False}, BatchStatus.FAILED),
        ([break_, break_], {}, BatchStatus.FAILED),
        ([finish, Job.cancel], {}, BatchStatus.COMPLETED),
        ([Job.cancel, Job.cancel], {}, BatchStatus.CANCELLED),
    ],
)
def test_the_outcome_is_that_of_its_jobs(
    ends: list[Callable[[Job], None]], fields: dict[str, Any], status: BatchStatus
) -> None:
    batch = batch_of({}, {}, **fields)
    for end, job in zip(ends, jobs(batch), strict=True):
        end(job)
    assert reread(batch).status == status


def test_a_retried_job_opens_its_batch_again() -> None:
    batch = batch_of({})
    (job,) = jobs(batch)
    break_(job)
    assert reread(batch).status == BatchStatus.FAILED
    job.retry()
    assert (reread(batch).status, reread(batch).finished_at) == (BatchStatus.RUNNING, None)
    finish(job)
    assert reread(batch).status == BatchStatus.COMPLETED
    assert BatchEvent.objects.filter(kind="completed").count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_last_two_that_end_at_once_end_the_batch_once() -> None:
    batch = batch_of(*[{}] * 4)
    running = jobs(batch)
    for job in running:
        job.start(WORKER)
    barrier = threading.Barrier(len(running))

    def end(job: Job) -> None:
        barrier.wait()
        try:
            with transaction.atomic():
                job.complete()
        finally:
            connection.close()

    threads = [threading.Thread(target=end, args=(job,)) for job in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reread(batch).status == BatchStatus.COMPLETED
    assert batch.events.count() == 1


# --- Claiming ---------------------------------------------------------------------------------------------------


def test_no_more_of_a_batch_run_at_once_than_it_asked_for() -> None:
    batch = batch_of(*[{}] * 5, concurrent_limit=2)
    single = JobFactory(owner=batch.owner)
    claimed = [claim(WORKER) for _ in range(4)]
    assert claimed == [*jobs(batch)[:2], single, None]
    first = jobs(batch)[0]
    first.complete()
    assert claim(WORKER) == jobs(batch)[2]


def test_the_limit_of_one_batch_is_not_that_of_another() -> None:
    owner = UserFactory()
    batch_of({}, {}, owner=owner, concurrent_limit=1)
    other = batch_of({}, owner=owner, concurrent_limit=1)
    claim(WORKER)
    assert claim(WORKER) == jobs(other)[0]


# --- Stopping ---------------------------------------------------------------------------------------------------


def test_the_first_failure_stops_what_waits_and_what_runs_may_end() -> None:
    batch = batch_of({}, {}, {}, {"status": Status.PAUSED}, stop_on_error=True)
    failing, running, *_ = jobs(batch)
    running.start(WORKER)
    break_(failing)
    assert claim(WORKER) is None, "nothing starts, although nobody has cancelled it yet"
    assert OrmQ.objects.filter(key="control").exists(), "the sweep is woken, so that nobody waits for its turn"
    sweeping.look_after_batches()
    assert [job.status for job in jobs(batch)] == ["failed", "running", "cancelled", "cancelled"]
    assert jobs(batch)[2].error_code == "cancelled"
    running.complete()
    assert reread(batch).status == BatchStatus.FAILED


def test_a_second_failure_stops_nothing_more() -> None:
    batch = batch_of({}, {}, {}, stop_on_error=True)
    first, second, _ = jobs(batch)
    second.start(WORKER)
    break_(first)
    second.fail(JobError(ErrorCode.NOT_FOUND))
    assert reread(batch).status == BatchStatus.STOPPING
    sweeping.look_after_batches()
    assert [job.status for job in jobs(batch)] == ["failed", "failed", "cancelled"]
    assert [event.data["status"] for event in batch.events.all()] == ["failed"]


def test_a_job_that_ends_after_its_batch_changes_nothing_of_it() -> None:
    batch = batch_of({}, {"running": True})
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED, finished_at=timezone.now())
    before = reread(batch)
    jobs(batch)[1].complete()
    after = reread(batch)
    assert (after.status, after.version, after.updated_at) == (before.status, before.version, before.updated_at)
    assert not after.events.exists()


def test_without_the_wish_a_failure_stops_nothing() -> None:
    batch = batch_of({}, {})
    failing, waiting = jobs(batch)
    break_(failing)
    assert claim(WORKER) == waiting


def test_cancelling_takes_effect_on_all_that_has_not_ended() -> None:
    batch = batch_of({"finished": True}, {"running": True}, {"status": Status.PAUSED}, *[{}] * 3)
    done, *others = jobs(batch)
    assert batches.cancel(batch) == 5
    assert [job.status for job in jobs(batch)] == ["completed", *["cancelled"] * 5]
    assert (batch.status, reread(batch).status) == (BatchStatus.CANCELLED, BatchStatus.CANCELLED)
    assert all([event.kind for event in job.events.all()] == ["cancelled"] for job in others)
    assert not done.events.exists()
    assert Counter.objects.get(name="jobs_total").value == 5
    assert all(job.version > 1 and not job.worker for job in jobs(batch)[1:])
    assert batches.cancel(reread(batch)) == 0


def test_thousands_are_cancelled_by_a_few_statements(django_assert_max_num_queries: Any) -> None:
    batch = BatchFactory()
    Job.objects.bulk_create(
        Job(owner=batch.owner, batch=batch, playlist_index=number, url="http://a.example", host="a.example")
        for number in range(1, 1201)
    )
    with django_assert_max_num_queries(60):
        assert batches.cancel(batch) == 1200
    assert JobEvent.objects.filter(kind="cancelled").count() == 1200


def test_what_was_left_half_cancelled_is_cancelled_by_the_sweep() -> None:
    batch = batch_of({}, {})
    batch.cancel()
    sweeping.look_after_batches()
    assert (reread(batch).status, jobs(batch)[1].status) == (BatchStatus.CANCELLED, Status.CANCELLED)


def test_a_batch_whose_jobs_ended_unseen_is_ended_by_the_sweep() -> None:
    batch = batch_of({"finished": True})
    sweeping.look_after_batches()
    assert reread(batch).status == BatchStatus.COMPLETED


# --- Retrying ---------------------------------------------------------------------------------------------------


def test_a_retry_takes_the_failed_and_what_they_had_stopped() -> None:
    batch = batch_of({}, {}, {"finished": True}, {}, stop_on_error=True)
    failing, stopped, _, by_hand = jobs(batch)
    by_hand.cancel()
    break_(failing)
    sweeping.look_after_batches()
    assert reread(batch).status == BatchStatus.FAILED

    batch = reread(batch)
    assert batches.retry(batch) == 2
    assert batch.status == BatchStatus.RUNNING
    assert [job.status for job in jobs(batch)] == ["queued", "queued", "completed", "cancelled"]
    again = Job.objects.get(pk=stopped.pk)
    assert (again.error_code, again.finished_at, again.failures) == ("", None, 0)


def test_where_nothing_failed_there_is_nothing_to_retry() -> None:
    batch = batch_of({"finished": True}, {})
    with pytest.raises(TransitionError):
        batches.retry(batch)
    finished = batch_of({})
    finish(jobs(finished)[0])
    with pytest.raises(TransitionError):
        batches.retry(reread(finished))
    assert reread(finished).status == BatchStatus.COMPLETED, "and it has not been opened by the attempt"


# --- Counting ---------------------------------------------------------------------------------------------------


def test_all_is_counted_in_one_query(django_assert_num_queries: Any) -> None:
    one = batch_of({"finished": True}, {"running": True, "progress_percent": 50}, {}, {"broken": True})
    two = batch_of({})
    with django_assert_num_queries(1):
        tallies = Tally.of([one, two])
    tally = tallies[one.pk]
    assert (tally.total, tally.finished, tally.percent) == (4, 2, 62.5)
    assert (tally.status_of(one), tallies[two.pk].status_of(two)) == ("running", "queued")
