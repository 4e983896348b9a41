"""The lists at a size that nobody waits for: what is looked for where, and what leads to what."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import ApiKey, Scope, User
from downloads import admin_lists
from downloads.models import Job, JobEvent, JobLog, Status
from tests.factories import BatchFactory, JobFactory, MediaFileFactory, UserFactory
from tests.web.conftest import listed, signed_in

pytestmark = pytest.mark.django_db
JOBS = "/admin/downloads/job/"
OLD = "https://video.example/old?v=" + "x" * 300


@pytest.fixture
def site(operator: User) -> Client:
    return signed_in(operator)


# --- What is found where ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("window")
def test_whole_words_are_found_among_all_jobs_and_parts_among_the_newest(site: Client) -> None:
    owner = UserFactory(username="grace")
    old = JobFactory(owner=owner, url=OLD, title="An old walk", broken=True, error_code="bot_check")
    new = JobFactory.create_batch(4, title="A new walk")
    for term in (str(old.pk), OLD, "grace", "bot_check"):
        assert listed(site, JOBS, q=term) == [old], term
    assert listed(site, JOBS, q="walk") == new[:0:-1]
    for term in ("An old", "video.example", "grac", "bot_", str(uuid.uuid4()), OLD[:-1], "timeout"):
        assert listed(site, JOBS, q=term) == [], term


@pytest.mark.usefixtures("window")
def test_what_an_index_answers_is_filtered_among_all_jobs(site: Client, user: User) -> None:
    batch = BatchFactory(owner=user)
    paused = JobFactory(owner=user, status="paused")
    kept = JobFactory(owner=user, finished=True, is_kept=True, expires_at=None)
    of_batch = JobFactory(owner=user, batch=batch, playlist_index=1)
    JobFactory.create_batch(5)
    assert listed(site, JOBS, status__exact="paused") == [paused]
    assert listed(site, JOBS, is_kept__exact="1") == [kept]
    assert listed(site, JOBS, batch__id__exact=batch.pk) == [of_batch]
    assert listed(site, JOBS, owner__id__exact=user.pk) == [of_batch, kept, paused]


@pytest.mark.usefixtures("window")
def test_parts_of_jobs_are_found_by_the_job_and_else_among_the_newest(site: Client) -> None:
    job = JobFactory(finished=True)
    file = MediaFileFactory(job=job, filename="old.mp4")
    JobEvent.objects.append(job, "completed")
    JobLog.objects.append(job, [(timezone.now(), "error", "an old line")])
    for other in JobFactory.create_batch(4, finished=True):
        MediaFileFactory(job=other)
        JobEvent.objects.append(other, "queued")
        JobLog.objects.append(other, [(timezone.now(), "info", "a line")])
    files, events, lines = (f"/admin/downloads/{name}/" for name in ("mediafile", "jobevent", "joblog"))
    assert listed(site, files, q=str(job.pk)) == listed(site, files, q=str(file.pk)) == [file]
    assert listed(site, files, q="old.mp4") == []
    assert [event.kind for event in listed(site, events, q=str(job.pk))] == ["completed"]
    assert listed(site, events, kind="completed") == []
    assert [line.message for line in listed(site, lines, q=str(job.pk))] == ["an old line"]
    assert [line.message for line in listed(site, lines, job__id__exact=job.pk)] == ["an old line"]
    assert listed(site, lines, level="error") == []
    assert len(listed(site, lines)) == 5


@pytest.mark.usefixtures("window")
def test_a_search_goes_on_with_older_ones_until_there_are_none(site: Client) -> None:
    jobs = JobFactory.create_batch(8, title="A walk")[::-1]
    address, found = f"{JOBS}?q=walk", []
    for _ in range(3):
        view = site.get(address).context["cl"]
        found.append(list(view.result_list))
        address = f"{JOBS}{view.older_query}"
    assert found == [jobs[:3], jobs[3:6], jobs[6:]]
    assert address == JOBS
    assert site.get(JOBS).context["cl"].older_query == ""
    assert "Go on with older ones" in site.get(f"{JOBS}?host=media.example").text


def test_a_list_goes_on_behind_what_it_counts(site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_lists, "COUNTED_ROWS", 60)
    jobs = JobFactory.create_batch(70)[::-1]
    first, last = site.get(JOBS), site.get(f"{JOBS}?p=2")
    assert "60 jobs and more" in first.text
    assert (first.context["cl"].older_query, list(last.context["cl"].result_list)) == ("", jobs[50:60])
    rest = site.get(f"{JOBS}{last.context['cl'].older_query}")
    assert list(rest.context["cl"].result_list) == jobs[60:]
    assert "10 jobs" in rest.text
    assert site.get(f"{JOBS}?p=2&o=6").context["cl"].older_query == ""


@pytest.mark.parametrize("begins", ["x", "", "9" * 40])
@pytest.mark.parametrize("name", ["job", "joblog"])
def test_a_list_that_begins_nowhere_is_no_fault(site: Client, name: str, begins: str) -> None:
    assert site.get(f"/admin/downloads/{name}/", {"pk__lt": begins, "q": "walk"}).status_code in {200, 302}


def test_no_list_counts_or_sorts_a_whole_table(site: Client) -> None:
    MediaFileFactory()
    tables = ("downloads/mediafile", "downloads/batch", "webhooks/delivery", "axes/accessattempt")
    for address in (JOBS, *(f"/admin/{table}/" for table in tables)):
        with CaptureQueriesContext(connection) as asked:
            site.get(address, {"o": "1"})
        table = address.split("/")[2:4]
        of_table = [query["sql"] for query in asked if f'FROM "{"_".join(table)}"' in query["sql"]]
        assert of_table
        for sql in of_table:
            assert "COUNT" not in sql or "LIMIT" in sql, sql
            assert "LIMIT" not in sql or re.search(r'ORDER BY ("\w+"\."id"|1) DESC', sql), sql
            assert "DISTINCT" not in sql, sql


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (lambda: Job.objects.for_url(OLD), "job_by_url"),
        (lambda: Job.objects.with_error("bot_check"), "job_by_error"),
        (lambda: Job.objects.filter(status=Status.QUEUED).order_by("-id"), "job_queued"),
        (lambda: Job.objects.filter(status=Status.PAUSED).order_by("-id"), "job_paused"),
        (lambda: Job.objects.filter(status=Status.CANCELLED).order_by("-id"), "job_cancelled"),
        (lambda: Job.objects.filter(is_kept=True).order_by("-id"), "job_kept"),
    ],
)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads small tables without an index")
def test_what_operators_look_for_has_its_index(query: Any, index: str) -> None:
    assert index in query()[:50].explain()


# --- What leads to what -----------------------------------------------------------------------------------------


def test_a_job_leads_to_its_batch_owner_log_events_and_messages(site: Client, user: User) -> None:
    batch = BatchFactory(owner=user)
    job = JobFactory(owner=user, batch=batch, playlist_index=1)
    text = site.get(f"{JOBS}{job.pk}/change/").text
    for address in (
        f"/admin/downloads/batch/{batch.pk}/change/",
        f"/admin/accounts/user/{user.pk}/change/",
        f"/admin/downloads/joblog/?job__id__exact={job.pk}",
        f"/admin/downloads/jobevent/?job__id__exact={job.pk}",
        f"/admin/webhooks/delivery/?request_id__exact={job.pk}",
        f"{JOBS}?owner__id__exact={user.pk}",
    ):
        assert f'href="{address}"' in text, address
        assert site.get(address).status_code == 200


def test_a_user_leads_to_all_that_is_theirs(site: Client, user: User) -> None:
    text = site.get(f"/admin/accounts/user/{user.pk}/change/").text
    tables = ("downloads/job", "downloads/batch", "downloads/cookiejar", "accounts/apikey", "webhooks/endpoint")
    for name in (*tables, "webhooks/delivery"):
        address = f"/admin/{name}/?owner__id__exact={user.pk}"
        assert f'href="{address}"' in text, address
        assert site.get(address).status_code == 200


@pytest.mark.usefixtures("window")
def test_what_belongs_to_a_user_is_found_by_the_whole_name_among_all(site: Client, user: User) -> None:
    key, _ = ApiKey.objects.issue(user, "phone", [Scope.READ])
    other = UserFactory()
    for number in range(5):
        ApiKey.objects.issue(other, f"key {number}", [Scope.READ])
    keys = "/admin/accounts/apikey/"
    for term in ("ada", str(key.pk)):
        assert listed(site, keys, q=term) == [key]
    assert listed(site, keys, owner__id__exact=user.pk) == [key]
    assert listed(site, keys, q="phone") == []


def test_parts_lead_to_their_job(site: Client) -> None:
    job = MediaFileFactory().job
    JobEvent.objects.append(job, "completed")
    JobLog.objects.append(job, [(timezone.now(), "info", "a line")])
    for name in ("mediafile", "jobevent", "joblog"):
        assert f'href="{JOBS}{job.pk}/change/"' in site.get(f"/admin/downloads/{name}/").text


# --- The log of what operators do -------------------------------------------------------------------------------


def test_what_operators_do_can_be_read_and_not_changed(site: Client, operator: User) -> None:
    job = JobFactory()
    site.post(JOBS, {"action": "pause", "_selected_action": [str(job.pk)]})
    entry = LogEntry.objects.get()
    log = "/admin/admin/logentry/"
    text = site.get(log).text
    assert "Paused." in text
    assert f'href="{JOBS}{job.pk}/change/"' in text
    assert listed(site, log, q=str(job.pk)) == listed(site, log, q="root") == [entry]
    assert listed(site, log, q="nobody") == []
    assert site.get(f"{log}{entry.pk}/change/").status_code == 200
    assert site.post(f"{log}{entry.pk}/change/", {"change_message": "x"}).status_code == 403
    assert site.post(f"{log}{entry.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_log_is_for_those_who_may_see_it() -> None:
    user = UserFactory(is_staff=True)
    assert signed_in(user).get("/admin/admin/logentry/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_logentry"))
    assert signed_in(user).get("/admin/admin/logentry/").status_code == 200


def test_a_key_that_is_revoked_already_is_refused(site: Client, user: User) -> None:
    keys = [ApiKey.objects.issue(user, name, ["read"], None)[0] for name in ("old", "new")]
    keys[0].revoke()
    form = {"action": "revoke", "_selected_action": [str(key.pk) for key in keys]}
    answer = site.post("/admin/accounts/apikey/", form, follow=True)
    assert "Revoked: 1." in answer.text
    assert "Refused, because of their state: 1." in answer.text
