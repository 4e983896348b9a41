from __future__ import annotations

from typing import Any

import pytest

from downloads import publishing, storage
from downloads.models import Job
from tests.factories import JobFactory, row

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("told", "shown"), [({}, 8.0), ({"duration": None}, 8.0), ({"duration": 7.5}, 7.5)])
def test_a_length_that_the_site_did_not_tell_is_measured(told: dict[str, Any], shown: float) -> None:
    job = JobFactory(running=True)
    storage.prepare_work(job.pk)
    (storage.work_directory(job.pk) / "media.mp4").write_bytes(b"media")
    report = {"path": "media.mp4", "kind": "media", "is_main": True, "ext": "mp4", "duration": 8.0}
    rows = publishing.move(job, [report | {"size_bytes": 5, "sha256": "0" * 64}], told)
    publishing.commit(job, rows, told)
    assert row(Job, job.pk).duration == shown
