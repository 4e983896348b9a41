from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from downloads import admin_lists, storage
from downloads.models import Batch, Downloaded, Job, JobEvent, JobLog, MediaFile, Node, Status
from tests.factories import BatchFactory, JobFactory, MediaFileFactory, UserFactory, row
from tests.web.conftest import signed_in

pytestmark = pytest.mark.promise("S14")

JOBS = "/admin/downloads/job/"


@pytest.fixture
def site(operator: User) -> Client:
    return signed_in(operator)


def act(site: Client, action: str, *jobs: Job) -> Any:
    return site.post(JOBS, {"action": action, "_selected_action": [str(job.pk) for job in jobs]}, follow=True)


@pytest.mark.parametrize("model", [Schedule, Success, Failure, OrmQ])
def test_has_nothing_of_the_queue_library_since_a_schedule_runs_code(model: type[Any], site: Client) -> None:
    assert not admin.site.is_registered(model)
    assert site.get(f"/admin/django_q/{model.__name__.lower()}/").status_code == 404


def test_is_for_staff(page: Client, site: Client) -> None:
    assert page.get(JOBS).status_code in {302, 403}
    assert Client().get(JOBS)["Location"].startswith("/admin/login/")
    assert "mediadl admin" in site.get("/admin/").text


def test_is_linked_from_the_pages_of_staff_alone(page: Client, operator: User) -> None:
    assert 'href="/admin/"' not in page.get("/").text
    assert 'href="/admin/"' in signed_in(operator).get("/").text


@pytest.mark.parametrize("name", ["job", "mediafile", "jobevent", "joblog", "node", "batch", "downloaded"])
def test_lists_and_shows_but_never_edits(site: Client, user: User, name: str) -> None:
    job = JobFactory(owner=user, finished=True, title="A walk")
    MediaFileFactory(job=job)
    JobEvent.objects.append(job, "completed")
    JobLog.objects.append(job, [(timezone.now(), "info", "a line")])
    Node.objects.pulse("node-1", slots=4)
    keys: dict[str, Any] = {
        "job": job.pk,
        "mediafile": MediaFile.objects.get().pk,
        "jobevent": JobEvent.objects.get().pk,
        "joblog": JobLog.objects.get().pk,
        "node": "node-1",
        "batch": BatchFactory(owner=user, title="A list").pk,
        "downloaded": Downloaded.objects.create(owner=user, extractor="site", media_id="7").pk,
    }
    address = f"/admin/downloads/{name}/"
    shown = f"{address}{quote(keys[name])}/change/"
    assert site.get(address).status_code == 200
    assert site.get(shown).status_code == 200
    assert site.post(shown, {"status": "queued"}).status_code == 403
    assert site.get(f"{address}add/").status_code == 403
    assert site.post(f"{address}{keys[name]}/delete/", {"post": "yes"}).status_code == 403


def test_steers_batches_by_their_own_verbs(site: Client, user: User) -> None:
    batch = BatchFactory(owner=user)
    JobFactory(owner=user, batch=batch, playlist_index=1)
    JobFactory(owner=user, batch=batch, playlist_index=2, broken=True)
    address = "/admin/downloads/batch/"
    for action, said in (("cancel", "Cancelled: 1 job."), ("retry", "Queued again: 1 job."), ("retry", "Refused")):
        answer = site.post(address, {"action": action, "_selected_action": [str(batch.pk)]}, follow=True)
        assert said in answer.text
    assert sorted(batch.jobs.values_list("status", flat=True)) == ["cancelled", "queued"]
    assert Batch.objects.get().status == "running"


def test_finds_jobs_by_id_link_title_owner_and_error(site: Client, user: User) -> None:
    wanted = JobFactory(
        owner=user, broken=True, title="A walk", url="https://video.example/7", error_code="login_required"
    )
    JobFactory()
    for text in (str(wanted.pk), wanted.pk.hex, "video.example/7", "walk", "ada", "login_required"):
        found = site.get(JOBS, {"q": text}).context["cl"].result_list
        assert list(found) == [wanted], text
    assert not site.get(JOBS, {"q": str(uuid.uuid4())}).context["cl"].result_list
    assert site.get(JOBS, {"q": "\x00"}).status_code == 400


def test_asks_the_database_equally_often_however_many_jobs_there_are(
    site: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    MediaFileFactory()
    site.get(JOBS)
    with django_assert_num_queries(5):
        site.get(JOBS)
    MediaFileFactory.create_batch(10)
    with django_assert_num_queries(5):
        site.get(JOBS)


@pytest.mark.parametrize(
    ("state", "action", "after"),
    [
        ({"running": True}, "cancel", Status.CANCELLED),
        ({}, "pause", Status.PAUSED),
        ({"status": "paused"}, "resume", Status.QUEUED),
        ({"broken": True}, "retry", Status.QUEUED),
    ],
)
def test_steers_jobs_by_their_verbs_and_notes_who_did_it(
    site: Client, operator: User, state: dict[str, Any], action: str, after: Status
) -> None:
    job = JobFactory(**state)
    answer = act(site, action, job)
    assert row(Job, job.pk).status == after
    assert ": 1." in answer.text
    assert LogEntry.objects.get().user == operator


def test_says_how_many_were_refused(site: Client) -> None:
    waiting, done = JobFactory(), JobFactory(finished=True)
    answer = act(site, "cancel", waiting, done)
    assert "Cancelled: 1." in answer.text
    assert "Refused, because of their state: 1." in answer.text
    assert row(Job, done.pk).status == Status.COMPLETED


def test_acts_on_no_more_at_once_than_it_can(site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_lists, "ACTED_ON", 2)
    jobs = JobFactory.create_batch(3)
    form = {"action": "cancel", "select_across": "1", "_selected_action": [str(jobs[0].pk)]}
    answer = site.post(JOBS, form, follow=True)
    assert "Nothing was done: that is more than 2 at once." in answer.text
    assert Job.objects.queued().count() == 3
    jobs[0].cancel()
    assert "Cancelled: 2." in site.post(f"{JOBS}?status__exact=queued", form, follow=True).text


def test_says_nothing_was_moved_when_all_were_refused(site: Client, user: User) -> None:
    batch = BatchFactory(owner=user, status="completed", finished_at=timezone.now())
    form = {"action": "retry", "_selected_action": [str(batch.pk)]}
    text = site.post("/admin/downloads/batch/", form, follow=True).text
    assert "Refused, because of their state: 1." in text
    assert "Queued again" not in text


def test_keeps_files(site: Client) -> None:
    job = JobFactory(finished=True)
    act(site, "keep", job)
    assert row(Job, job.pk).is_kept


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("action", "is_left"), [("delete_files", True), ("delete_with_files", False)])
def test_deletes_bytes_with_or_without_the_record(site: Client, data_dir: Path, action: str, is_left: bool) -> None:
    file = MediaFileFactory()
    path = storage.path_of(file.storage_key)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"media")
    act(site, action, file.job)
    assert not path.exists()
    assert Job.objects.filter(pk=file.job_id).exists() is is_left


def test_who_may_only_look_can_only_look(user: User) -> None:
    viewer = UserFactory(is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_job"))
    job = JobFactory(running=True)
    site = signed_in(viewer)
    assert site.get(JOBS).status_code == 200
    assert site.get(f"{JOBS}{job.pk}/change/").status_code == 200
    assert 'name="action"' not in site.get(JOBS).text
    act(site, "cancel", job)
    assert row(Job, job.pk).status == Status.RUNNING


def test_shows_which_nodes_are_alive(site: Client) -> None:
    Node.objects.pulse("node-1", slots=4)
    JobFactory(running=True, worker="node-1/7/1")
    answer = site.get("/admin/downloads/node/")
    assert "node-1" in answer.text
    assert 'alt="True"' in answer.text
