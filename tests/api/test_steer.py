"""DELETE, pause, resume, retry and keep."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Scope, User
from downloads import storage
from downloads.models import Job, JobEvent, JobLog, MediaFile, Status
from tests.api.conftest import Api, code_of, key_of
from tests.factories import JobFactory, row

pytestmark = pytest.mark.django_db

VERBS = ["pause", "resume", "retry", "keep"]


@pytest.fixture
def job_in(user: User) -> Callable[[str], Job]:
    """A job of the user's in a given status."""
    traits: dict[str, dict[str, Any]] = {
        "queued": {},
        "running": {"running": True},
        "paused": {"status": Status.PAUSED},
        "completed": {"finished": True},
        "failed": {"broken": True},
        "cancelled": {"status": Status.CANCELLED, "finished_at": timezone.now()},
    }
    return lambda status: JobFactory(owner=user, **traits[status])


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("pause", "queued", "paused"),
        ("pause", "running", "paused"),
        ("resume", "paused", "queued"),
        ("retry", "failed", "queued"),
        ("retry", "cancelled", "queued"),
    ],
)
def test_moves_a_job(api: Api, job_in: Callable[[str], Job], verb: str, before: str, after: str) -> None:
    job = job_in(before)
    answer = api.post(f"/download/{job.pk}/{verb}")
    assert (answer.status_code, answer.json()["status"]) == (200, after)
    assert answer["ETag"] == api.get(f"/download/{job.pk}")["ETag"]
    assert row(Job, job.pk).status == after


@pytest.mark.parametrize(
    ("verb", "before"),
    [
        *[("pause", status) for status in ("paused", "completed", "failed", "cancelled")],
        *[("resume", status) for status in ("queued", "running", "completed", "failed", "cancelled")],
        *[("retry", status) for status in ("queued", "running", "paused", "completed")],
        *[("keep", status) for status in ("queued", "running", "paused", "failed", "cancelled")],
    ],
)
def test_a_wrong_state_is_a_conflict_and_changes_nothing(
    api: Api, job_in: Callable[[str], Job], verb: str, before: str
) -> None:
    job = job_in(before)
    answer = api.post(f"/download/{job.pk}/{verb}")
    assert code_of(answer) == (409, "wrong_state")
    assert before in answer.json()["detail"]
    assert row(Job, job.pk).version == job.version
    assert not JobEvent.objects.exists()


def test_retrying_is_limited_like_submitting(api: Api, job_in: Callable[[str], Job], settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE, settings.MAX_JOBS_PER_DAY = 2, 1
    assert api.post(f"/download/{job_in('failed').pk}/retry").status_code == 200
    used_up = api.post(f"/download/{job_in('failed').pk}/retry")
    assert code_of(used_up) == (429, "quota_exceeded")
    assert int(used_up["Retry-After"]) > 0
    assert code_of(api.post(f"/download/{job_in('failed').pk}/retry")) == (429, "rate_limit_exceeded")
    assert api.post(f"/download/{job_in('paused').pk}/resume").status_code == 200


@pytest.mark.parametrize("verb", VERBS)
def test_somebody_elses_job_cannot_be_moved(stranger: Api, job: Job, verb: str) -> None:
    assert code_of(stranger.post(f"/download/{job.pk}/{verb}")) == (404, "not_found")
    assert code_of(stranger.post(f"/download/{uuid.uuid4()}/{verb}")) == (404, "not_found")
    assert row(Job, job.pk).version == 1


@pytest.mark.parametrize("verb", VERBS)
def test_moving_needs_a_key_that_may_write(anybody: Api, user: User, job: Job, verb: str) -> None:
    assert code_of(anybody.post(f"/download/{job.pk}/{verb}")) == (401, "not_authenticated")
    reader = Api(key_of(user, Scope.READ))
    assert code_of(reader.post(f"/download/{job.pk}/{verb}")) == (403, "insufficient_scope")
    assert row(Job, job.pk).version == 1


@pytest.mark.parametrize("verb", VERBS)
def test_moving_takes_no_fields_that_it_does_not_know(api: Api, job: Job, verb: str) -> None:
    assert code_of(api.post(f"/download/{job.pk}/{verb}", {"force": True})) == (400, "unknown_field")
    assert code_of(api.post_text(f"/download/{job.pk}/{verb}", "now", "text/plain")) == (415, "unsupported_media_type")
    assert code_of(api.get(f"/download/{job.pk}/{verb}")) == (405, "method_not_allowed")


def test_moving_needs_no_body(api: Api, job: Job) -> None:
    assert api.client.generic("POST", f"/api/v1/download/{job.pk}/pause").status_code == 200


# --- Keeping ------------------------------------------------------------------------------------------------------


def test_keeps_files_for_good(api: Api, stored: Callable[..., MediaFile]) -> None:
    job = stored().job
    body = api.post(f"/download/{job.pk}/keep").json()
    assert body["deletion_time"] is None
    assert row(Job, job.pk).is_kept


def test_sets_a_new_time_for_deleting_them(api: Api, stored: Callable[..., MediaFile]) -> None:
    job = stored().job
    api.post(f"/download/{job.pk}/keep")
    api.post(f"/download/{job.pk}/keep", {"retention_hours": 0.5})
    kept = row(Job, job.pk)
    assert not kept.is_kept
    assert abs(kept.expires_at - timezone.now() - timedelta(minutes=30)) < timedelta(seconds=30)


@pytest.mark.parametrize("hours", [0, -1, 8761, "1", True])
def test_refuses_a_time_that_is_none(api: Api, stored: Callable[..., MediaFile], hours: Any) -> None:
    job = stored().job
    assert code_of(api.post(f"/download/{job.pk}/keep", {"retention_hours": hours})) == (400, "validation_failed")
    assert row(Job, job.pk).version == job.version


def test_what_is_deleted_cannot_be_kept(api: Api, stored: Callable[..., MediaFile]) -> None:
    job = stored().job
    MediaFile.objects.mark_deleted()
    assert code_of(api.post(f"/download/{job.pk}/keep")) == (410, "file_expired")


# --- Cancelling and deleting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["queued", "running", "paused"])
def test_cancels_what_has_not_finished(api: Api, job_in: Callable[[str], Job], before: str) -> None:
    job = job_in(before)
    answer = api.delete(f"/download/{job.pk}")
    assert answer.status_code == 200
    assert answer.json() == {
        "request_id": str(job.pk),
        "status": "cancelled",
        "message": "The job is cancelled. Delete it once more to remove it from the list.",
    }
    ended = row(Job, job.pk)
    assert (ended.status, ended.lease) == (Status.CANCELLED, None)


@pytest.mark.parametrize("before", ["completed", "failed", "cancelled"])
def test_deletes_what_has_finished(api: Api, job_in: Callable[[str], Job], before: str) -> None:
    job = job_in(before)
    JobLog.objects.append(job, [(timezone.now(), "info", "x")])
    answer = api.delete(f"/download/{job.pk}")
    assert (answer.status_code, answer.json()["status"]) == (200, "deleted")
    assert not Job.objects.exists()
    assert not JobLog.objects.exists()
    assert code_of(api.delete(f"/download/{job.pk}")) == (404, "not_found")


@pytest.mark.django_db(transaction=True)
def test_deletes_the_bytes_once_the_row_is_gone(api: Api, stored: Callable[..., MediaFile]) -> None:
    file, other = stored(), stored()
    assert api.delete(f"/download/{file.job_id}").status_code == 200
    assert [key for key, _ in storage.stored_sizes()] == [other.storage_key]
    assert MediaFile.objects.get() == other


def test_cancelling_twice_deletes(api: Api, job: Job) -> None:
    assert [api.delete(f"/download/{job.pk}").json().get("status") for _ in range(2)] == ["cancelled", "deleted"]


def test_somebody_elses_job_can_be_neither_cancelled_nor_deleted(stranger: Api, job_in: Callable[[str], Job]) -> None:
    for status in ("running", "completed"):
        job = job_in(status)
        assert code_of(stranger.delete(f"/download/{job.pk}")) == (404, "not_found")
        assert row(Job, job.pk).status == status


def test_deleting_needs_a_key_that_may_write(anybody: Api, user: User, job: Job) -> None:
    assert code_of(anybody.delete(f"/download/{job.pk}")) == (401, "not_authenticated")
    assert code_of(Api(key_of(user, Scope.READ)).delete(f"/download/{job.pk}")) == (403, "insufficient_scope")
    assert row(Job, job.pk).status == Status.QUEUED


def test_deleting_takes_no_parameters(api: Api, job: Job) -> None:
    assert code_of(api.client.delete(f"/api/v1/download/{job.pk}?force=1")) == (400, "unknown_field")
    assert row(Job, job.pk).status == Status.QUEUED
