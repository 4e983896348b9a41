from __future__ import annotations

import errno
from pathlib import Path

import pytest
from pytest_django import Settings

from downloads import runner
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


def test_a_job_whose_disk_is_away_goes_back_uncharged(settings: Settings, tmp_path: Path) -> None:
    settings.REQUIRE_MOUNT = str(tmp_path)
    job = JobFactory(running=True)
    runner.run(job)

    found = Job.objects.get(pk=job.pk)
    assert (found.status, found.error_code, found.failures) == (Status.QUEUED, "", 0)
