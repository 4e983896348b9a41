from __future__ import annotations

import errno
from pathlib import Path

import pytest
from pytest_django import Settings

from downloads import runner, storage
from downloads.models import Job, Status
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "storage_full"), (errno.EROFS, "storage_full"), (errno.EACCES, "internal_error")],
)
def test_a_disk_that_refuses_the_work_directory_sends_the_job_back(
    number: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> Path:
        raise OSError(number, "refused")

    monkeypatch.setattr("downloads.storage.prepare_work", refuse)
    job = JobFactory(running=True)
    runner.run(job)

    found = Job.objects.get(pk=job.pk)
    assert (found.status, found.error_code) == (Status.QUEUED, code)


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("number", "is_kept"), [(errno.ENOSPC, False), (errno.EACCES, True)])
def test_a_job_without_room_gives_up_its_bytes_for_one_that_has_more(
    number: int, *, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> Path:
        raise OSError(number, "refused")

    job, other = JobFactory(running=True), JobFactory(running=True)
    for one, size in ((job, 100_000), (other, 200_000)):
        (storage.prepare_work(one.pk) / "media.mp4.part").write_bytes(bytes(size))
    monkeypatch.setattr("downloads.storage.prepare_work", refuse)
    runner.run(job)

    assert set(storage.work_job_ids()) == ({job.pk, other.pk} if is_kept else {other.pk})


def test_a_job_whose_disk_is_away_goes_back_uncharged(settings: Settings, tmp_path: Path) -> None:
    settings.REQUIRE_MOUNT = str(tmp_path)
    job = JobFactory(running=True)
    runner.run(job)

    found = Job.objects.get(pk=job.pk)
    assert (found.status, found.error_code, found.failures) == (Status.QUEUED, "", 0)
