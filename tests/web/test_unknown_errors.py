"""Codes that another version has stored, as when two run side by side: every page shows them, and none fails."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from downloads import cookies, expansion, probing
from downloads.engine.errors import ERRORS, UNKNOWN, ErrorCode, JobError
from downloads.models import Batch, BatchStatus, CookieJar, JobEvent, Probe, ProbeKind
from tests.factories import BatchFactory, JobFactory, row

CODE = "from_the_future"
LINK = "https://video.example/watch?v=1"


def failed_probe(user: User, kind: ProbeKind, jar: CookieJar | None = None) -> Probe:
    probe = probing.ask(user, kind, LINK, jar)
    probe.start("node-1/1/1")
    probe.fail(JobError(ErrorCode.PRIVATE, "A new kind of trouble."))
    Probe.objects.filter(pk=probe.pk).update(error_code=CODE)
    return probe


def test_no_version_knows_the_code() -> None:
    assert CODE not in ERRORS


@pytest.mark.parametrize("path", ["/", "/library", "/jobs/{job}", "/batches", "/batches/{batch}"])
def test_a_failure_is_shown_with_its_message(page: Client, user: User, path: str) -> None:
    batch = BatchFactory(owner=user)
    said = {"error_code": CODE, "error_message": "A new kind of trouble."}
    job = JobFactory(owner=user, broken=True, batch=batch, playlist_index=1, **said)
    JobEvent.objects.append(job, "failed", error_code=CODE)
    answer = page.get(path.format(job=job.pk, batch=batch.pk))
    assert answer.status_code == 200
    assert (UNKNOWN.title in answer.text) == (path != "/batches")
    if path.startswith("/jobs"):
        assert all(said in answer.text for said in (UNKNOWN.remedy, "A new kind of trouble.", CODE))


def test_a_batch_whose_list_could_not_be_read_says_what_to_do(page: Client, user: User) -> None:
    ended = {"status": BatchStatus.FAILED, "finished_at": timezone.now()}
    batch = BatchFactory(owner=user, kind="playlist", error_code=CODE, error_message="New.", **ended)
    assert UNKNOWN.remedy in page.get(f"/batches/{batch.pk}").text


def test_looks_lists_and_tests_of_cookies_say_so(page: Client, user: User) -> None:
    jar = cookies.store(user, "video.example\tFALSE\t/\tTRUE\t0\tsession\tx\n", "site")
    look, of_list = failed_probe(user, ProbeKind.MEDIA), failed_probe(user, ProbeKind.LIST)
    tested = failed_probe(user, ProbeKind.MEDIA, jar)
    for path in (f"/preview/{look.pk}", f"/lists/{of_list.pk}", f"/cookies/{jar.pk}/test/{tested.pk}"):
        answer = page.get(path)
        assert answer.status_code == 200
        assert UNKNOWN.remedy in answer.text, path


def test_programs_are_told_too(page: Client, user: User) -> None:
    failed_probe(user, ProbeKind.MEDIA)
    answer = page.get("/api/v1/metadata", {"url": LINK})
    assert (answer.status_code, answer.json()["code"]) == (502, "internal_error")
    assert "A new kind of trouble." in answer.json()["detail"]


def test_operators_see_what_waits_and_what_has_failed(site: Client, user: User) -> None:
    later = timezone.now() + timedelta(hours=1)
    job = JobFactory(owner=user, attempt=1, error_code=CODE, eligible_at=later)
    JobFactory(owner=user, broken=True, error_code=CODE)
    for path in (f"/admin/downloads/job/{job.pk}/change/", f"/admin/queue/?owner={user.pk}", "/admin/system/"):
        answer = site.get(path)
        assert answer.status_code == 200
        assert UNKNOWN.title in answer.text, path


def test_a_batch_ends_with_the_list_that_could_not_be_read(user: User) -> None:
    probe = failed_probe(user, ProbeKind.LIST)
    batch = BatchFactory(
        owner=user, kind="playlist", status=BatchStatus.EXPANDING, url=LINK, probe=row(Probe, probe.pk)
    )
    expansion.expand(row(Batch, batch.pk))
    ended = row(Batch, batch.pk)
    assert (ended.status, ended.error_code, ended.error_message) == (
        BatchStatus.FAILED,
        "internal_error",
        "A new kind of trouble.",
    )
