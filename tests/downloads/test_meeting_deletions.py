"""A job is deleted while something of it is deleted, fetched or shared: whoever comes second finds it gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from downloads import discards, files, retention, storage
from downloads.models import Job, JobEvent, Link, MediaFile
from tests.accounts.racing import meet
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)

Stored = Callable[..., MediaFile]


def share(file: MediaFile) -> None:
    Link.objects.issue(file, file.job.owner, timezone.now())


DEEDS: dict[str, Callable[[MediaFile], Any]] = {
    "a file is deleted": discards.discard_file,
    "its files expire": lambda file: retention.delete_files(file.job, "expired"),
    "its file was fetched": lambda file: files.sent(str(file.pk)),
    "its file is shared": share,
}


@pytest.fixture
def file(stored: Stored) -> MediaFile:
    return stored(JobFactory(finished=True, options={"delete_after_download": True}))


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_job_goes_with_what_was_being_done_to_it(file: MediaFile, deed: Callable[[MediaFile], Any]) -> None:
    assert meet(lambda: deed(file), lambda: retention.delete_jobs([file.job])) == []

    assert nothing_is_left_of(file)


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_nothing_is_done_to_a_job_that_goes(file: MediaFile, deed: Callable[[MediaFile], Any]) -> None:
    raised = meet(lambda: retention.delete_jobs([file.job]), lambda: deed(file))

    assert [type(error) for error in raised] == ([MediaFile.DoesNotExist] if deed is share else [])
    assert nothing_is_left_of(file)


def nothing_is_left_of(file: MediaFile) -> bool:
    found = [
        Job.objects.filter(pk=file.job_id),
        JobEvent.objects.filter(job=file.job_id),
        Link.objects.filter(file=file),
    ]
    return not any(rows.exists() for rows in found) and not storage.path_of(file.storage_key).exists()
