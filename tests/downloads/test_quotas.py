from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import ApiKey, DayUsage, Scope, User
from accounts.principal import SESSION_SCOPES, Principal
from downloads import batches, publishing, quotas, runner, storage
from downloads.api.problem import Problem
from downloads.api.requests import DownloadRequestSerializer
from downloads.claims import claim
from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.spec import Event
from downloads.models import Batch, Job, MediaFile, Status, TransitionError
from downloads.submission import resume, retry, submit
from tests.factories import JobFactory, UserFactory, row

pytestmark = [pytest.mark.promise("S12"), pytest.mark.django_db]
Stored = Callable[..., MediaFile]


@pytest.fixture
def user() -> User:
    return UserFactory()


def ask(user: User, key: ApiKey | None = None) -> Job:
    wanted = DownloadRequestSerializer(data={"url": "http://media.example/clip.mp4"})
    assert wanted.is_valid()
    return submit(principal(user, key), wanted.validated_data)


def principal(user: User, key: ApiKey | None = None) -> Principal:
    return Principal(user=user, key=key, scopes=SESSION_SCOPES)


def refusal(user: User, key: ApiKey | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        ask(user, key)
    assert (caught.value.status, caught.value.code) == (429, "quota_exceeded")
    return caught.value


# --- Submitting -------------------------------------------------------------------------------------------------


def test_jobs_of_a_day_are_counted_also_when_they_are_deleted(user: User, settings: Settings) -> None:
    settings.MAX_JOBS_PER_DAY, settings.STORAGE_RESERVE_BYTES = 2, 0
    ask(user)
    ask(user)
    Job.objects.all().delete()
    problem = refusal(user)
    assert "2 jobs a day" in problem.detail
    assert 0 < int(problem.headers["Retry-After"]) <= 24 * 3600
    assert ask(UserFactory())


def test_a_refused_job_is_not_counted(user: User, settings: Settings) -> None:
    settings.MAX_QUEUED_PER_OWNER = 1
    ask(user)
    refusal(user)
    assert quotas.usage_of(user).jobs_today == 1


def test_a_users_own_limit_goes_before_the_servers_and_0_is_none(settings: Settings) -> None:
    settings.MAX_JOBS_PER_DAY = 1
    more = UserFactory(max_jobs_per_day=2)
    assert [ask(more) for _ in range(2)]
    refusal(more)
    free = UserFactory(max_jobs_per_day=0)
    assert [ask(free) for _ in range(3)]


def test_a_key_has_jobs_of_its_own_a_day_below_its_owners(user: User) -> None:
    key, _ = ApiKey.objects.issue(user, "phone", [Scope.WRITE], max_jobs_per_day=1)
    ask(user, key)
    assert "This key" in refusal(user, key).detail
    assert ask(user)
    assert quotas.usage_of(user).jobs_today == 2


def test_nothing_is_taken_when_the_bytes_of_the_day_are_used_up(user: User, settings: Settings) -> None:
    settings.MAX_BYTES_PER_DAY = 1000
    DayUsage.objects.add_bytes(user.pk, 1000)
    problem = refusal(user)
    assert "1000 bytes a day" in problem.detail
    assert "Retry-After" in problem.headers


def test_nothing_is_taken_when_the_store_is_full(user: User, settings: Settings, stored: Stored) -> None:
    settings.MAX_STORED_BYTES_PER_OWNER = 10
    file = stored(JobFactory(owner=user, finished=True), b"0123456789")
    assert 0 < int(refusal(user).headers["Retry-After"]) <= 3600
    file.job.keep()
    assert "Retry-After" not in refusal(user).headers
    MediaFile.objects.all().mark_deleted()
    assert ask(user)


def test_a_retry_counts_like_another_job_and_is_refused_like_one(user: User, settings: Settings) -> None:
    settings.MAX_JOBS_PER_DAY = 2
    ask(user)
    first, second = JobFactory.create_batch(2, owner=user, broken=True)
    retry(principal(user), first)
    assert quotas.usage_of(user).jobs_today == 2
    with pytest.raises(Problem, match="2 jobs a day"):
        retry(principal(user), second)
    assert row(Job, second.pk).status == Status.FAILED


def test_a_retry_counts_for_the_key_that_asks_for_it(user: User) -> None:
    key, _ = ApiKey.objects.issue(user, "phone", [Scope.WRITE], max_jobs_per_day=1)
    retry(principal(user, key), JobFactory(owner=user, broken=True))
    with pytest.raises(Problem, match="This key"):
        retry(principal(user, key), JobFactory(owner=user, broken=True))


def test_a_retry_that_the_state_does_not_allow_is_not_counted(user: User) -> None:
    with pytest.raises(TransitionError):
        retry(principal(user), JobFactory(owner=user, finished=True))
    assert quotas.usage_of(user).jobs_today == 0


def test_neither_a_try_by_itself_nor_a_paused_job_that_goes_on_is_counted(user: User, settings: Settings) -> None:
    settings.MAX_JOBS_PER_DAY = 1
    ask(user)
    job = claim("node/1/1")
    assert job is not None
    job.fail(JobError(ErrorCode.NETWORK_ERROR))
    job.pause()
    resume(principal(user), job)
    assert (job.status, quotas.usage_of(user).jobs_today) == (Status.QUEUED, 1)


def test_a_paused_job_goes_on_when_the_queue_has_room(user: User, settings: Settings) -> None:
    settings.MAX_QUEUED_PER_OWNER = 1
    paused = JobFactory(owner=user, status=Status.PAUSED)
    waiting = ask(user)
    with pytest.raises(Problem, match="1 jobs waiting"):
        resume(principal(user), paused)
    assert row(Job, paused.pk).status == Status.PAUSED
    waiting.cancel()
    resume(principal(user), paused)
    assert paused.status == Status.QUEUED


def test_a_batch_is_retried_whole_or_not_at_all(user: User, settings: Settings) -> None:
    settings.MAX_JOBS_PER_DAY = 2
    batch = failed_batch(user, 3)
    with pytest.raises(Problem, match="2 jobs a day"):
        batches.retry(batch, principal(user))
    assert batch.jobs.count_by_status()[Status.FAILED] == 3
    settings.MAX_JOBS_PER_DAY = 3
    assert batches.retry(batch, principal(user)) == 3
    assert quotas.usage_of(user).jobs_today == 3


def test_what_an_operator_retries_counts_for_nobody(user: User) -> None:
    assert batches.retry(failed_batch(user, 1)) == 1
    assert quotas.usage_of(user).jobs_today == 0


def failed_batch(user: User, count: int) -> Batch:
    batch = Batch.objects.create(owner=user, kind="batch", status="failed", finished_at=timezone.now())
    for number in range(1, count + 1):
        JobFactory(owner=user, batch=batch, playlist_index=number, broken=True)
    return batch


# --- Claiming ---------------------------------------------------------------------------------------------------


def test_a_key_at_its_cap_waits_and_its_owners_other_jobs_go_on(user: User) -> None:
    key, _ = ApiKey.objects.issue(user, "phone", [Scope.WRITE], max_concurrent_jobs=1)
    first, second = JobFactory.create_batch(2, owner=user, api_key=key)
    other = JobFactory(owner=user)
    assert [claim("node/1/1"), claim("node/1/1"), claim("node/1/1")] == [first, other, None]
    first.refresh_from_db()
    first.cancel()
    assert claim("node/1/1") == second


# --- Running ----------------------------------------------------------------------------------------------------


def test_bytes_are_charged_as_they_arrive_and_once(user: User) -> None:
    meter = quotas.Meter(JobFactory(owner=user, running=True))
    for level in (100, 250):
        meter.note(level)
        assert meter.charge() is None
    assert meter.charge() is None
    meter.note(50)  # it began anew
    meter.note(60)
    meter.charge()
    assert quotas.usage_of(user).bytes_today == 260


def test_bytes_of_an_earlier_attempt_are_not_charged_again(user: User) -> None:
    meter = quotas.Meter(JobFactory(owner=user, running=True, downloaded_bytes=1000))
    meter.note(1200)
    meter.charge()
    assert quotas.usage_of(user).bytes_today == 200


def test_the_charge_that_goes_over_the_limit_says_so(user: User, settings: Settings) -> None:
    settings.MAX_BYTES_PER_DAY = 300
    meters = [quotas.Meter(JobFactory(owner=user, running=True)) for _ in range(2)]
    assert [meter.allowance() for meter in meters] == [300, 300]
    meters[0].note(200)
    assert meters[0].charge() is None
    assert meters[1].allowance() == 100
    meters[1].note(200)
    error = meters[1].charge()
    assert error is not None
    assert error.code == ErrorCode.QUOTA_EXCEEDED
    assert meters[1].allowance() == 0


def test_the_allowance_is_the_scarcer_of_the_day_and_the_store(user: User, settings: Settings, stored: Stored) -> None:
    job = JobFactory(owner=user, running=True)
    assert quotas.Meter(job).allowance() is None
    settings.MAX_STORED_BYTES_PER_OWNER = 12
    stored(JobFactory(owner=user, finished=True), b"01234")
    assert quotas.Meter(job).allowance() == 7
    settings.MAX_BYTES_PER_DAY = 4
    assert quotas.Meter(job).allowance() == 4


@pytest.mark.django_db(transaction=True)
def test_a_job_that_starts_when_nothing_is_left_fails_without_an_attempt(user: User, settings: Settings) -> None:
    settings.MAX_BYTES_PER_DAY = 10
    DayUsage.objects.add_bytes(user.pk, 10)
    job = JobFactory(owner=user, running=True)
    runner.run(job)
    found = row(Job, job.pk)
    assert (found.status, found.error_code) == (Status.FAILED, "quota_exceeded")
    assert "10 bytes a day" in found.error_message


def heard(job: Job, **data: Any) -> runner.Runner:
    attempt = runner.Runner(job)
    attempt._open_meter()
    attempt._hear(Event(name="error", data=data))
    return attempt


def test_too_large_for_the_quota_is_told_apart_from_too_large_for_the_server(user: User, settings: Settings) -> None:
    job = JobFactory(owner=user, running=True)
    settings.MAX_FILE_SIZE_BYTES, settings.MAX_BYTES_PER_DAY = 100, 1000
    error = heard(job, code="too_large").error
    assert error is not None
    assert error.code == ErrorCode.TOO_LARGE
    settings.MAX_BYTES_PER_DAY = 50
    attempt = heard(job, code="too_large")
    assert attempt.error is not None
    assert attempt.error.code == ErrorCode.QUOTA_EXCEEDED
    assert attempt._spec().limits.max_bytes == 50


# --- Publishing -------------------------------------------------------------------------------------------------


def report(job: Job, content: bytes) -> dict[str, Any]:
    storage.prepare_work(job.pk)
    (storage.work_directory(job.pk) / "media.mp4").write_bytes(content)
    facts = {"path": "media.mp4", "kind": "media", "is_main": True, "ext": "mp4"}
    return facts | {"size_bytes": len(content), "sha256": "0" * 64}


@pytest.mark.django_db(transaction=True)
def test_files_that_are_too_many_for_the_owner_are_not_published(
    user: User, settings: Settings, stored: Stored
) -> None:
    settings.MAX_STORED_BYTES_PER_OWNER = 12
    stored(JobFactory(owner=user, finished=True), b"01234")
    job = JobFactory(owner=user, running=True)
    rows = publishing.move(job, [report(job, b"01234567")], {})
    with pytest.raises(JobError, match="quota_exceeded"):
        publishing.commit(row(Job, job.pk), rows, {})
    assert row(Job, job.pk).status == Status.RUNNING
    assert not storage.path_of(rows[0].storage_key).exists()
    rows = publishing.move(job, [report(job, b"0123456")], {})
    publishing.commit(row(Job, job.pk), rows, {})
    assert quotas.usage_of(user).stored_bytes == 12
