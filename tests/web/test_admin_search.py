"""What the admin's lists find among all rows, however many are newer: by id, owner, link and error."""

from __future__ import annotations

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, Scope, User
from downloads.models import Batch, Job, JobEvent, JobLog, Link
from tests.factories import BatchFactory, JobFactory, MediaFileFactory, UserFactory
from tests.web.conftest import listed
from webhooks.models import Delivery, Endpoint

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("window")]
JOBS, BATCHES, FILES, LINKS = (f"/admin/downloads/{name}/" for name in ("job", "batch", "mediafile", "link"))
EVENTS, LINES = "/admin/downloads/jobevent/", "/admin/downloads/joblog/"
DELIVERIES, ATTEMPTS = "/admin/webhooks/delivery/", "/admin/axes/accessattempt/"
OLD = "https://video.example/old"


def uses(rows: QuerySet[Any], index: str) -> bool:
    """PostgreSQL reads small tables without an index."""
    return connection.vendor != "sqlite" or index in rows[:50].explain()


# --- Messages ---------------------------------------------------------------------------------------------------


@pytest.fixture
def hook(user: User) -> Endpoint:
    return endpoint_of(user)


def endpoint_of(owner: User) -> Endpoint:
    return Endpoint.objects.create(owner=owner, url="https://hooks.example/in", sealed_secret="x")


def message(endpoint: Endpoint, **fields: Any) -> Delivery:
    facts = {"owner": endpoint.owner, "url": endpoint.url, "event": "download.completed", "body": "{}", "lane": "x"}
    sent = {"status": "delivered", "finished_at": timezone.now()}
    row: Delivery = Delivery.objects.create(endpoint=endpoint, **facts | sent | fields)
    return row


def test_an_old_message_is_found_by_every_whole_word(site: Client, hook: Endpoint) -> None:
    job = JobFactory()
    old = message(hook, request_id=job.pk, status="dead", error="bad_status", response_status=503)
    elsewhere = endpoint_of(UserFactory(username="grace"))
    newer = [message(elsewhere, request_id=JobFactory().pk) for _ in range(4)]
    for term in (str(old.pk), old.pk.hex, str(job.pk), str(hook.pk), "ada", "bad_status"):
        assert listed(site, DELIVERIES, q=term) == [old], term
    assert listed(site, DELIVERIES, q="grace") == newer[::-1]
    for term in ("503", "hooks.example/nowhere", "timeout", str(user_without_any().pk)):
        assert listed(site, DELIVERIES, q=term) == [], term
    newest = message(elsewhere, response_status=503)
    assert listed(site, DELIVERIES, q="503") == [newest]


def user_without_any() -> User:
    user: User = UserFactory()
    return user


def test_a_job_a_webhook_and_a_user_lead_to_messages_however_old(site: Client, user: User, hook: Endpoint) -> None:
    job = JobFactory(owner=user)
    old = message(hook, request_id=job.pk)
    elsewhere = endpoint_of(UserFactory())
    for _ in range(4):
        message(elsewhere)
    for page, query in (
        (f"{JOBS}{job.pk}", f"request_id__exact={job.pk}"),
        (f"/admin/webhooks/endpoint/{hook.pk}", f"endpoint__id__exact={hook.pk}"),
        (f"/admin/accounts/user/{user.pk}", f"owner__id__exact={user.pk}"),
    ):
        address = f"{DELIVERIES}?{query}"
        assert f'href="{address}"' in site.get(f"{page}/change/").text
        assert listed(site, address) == [old]


def test_messages_have_indexes_for_it(user: User, hook: Endpoint) -> None:
    newest = Delivery.objects.order_by("-pk")
    assert uses(newest.filter(request_id=hook.pk), "delivery_of_a_request")
    assert uses(newest.filter(owner=user), "delivery_of_an_owner")
    assert uses(newest.with_error("timeout"), "delivery_by_error")


# --- What belongs to jobs ---------------------------------------------------------------------------------------


@pytest.fixture
def old(user: User) -> Job:
    """With a file, an event and a line, before those of others."""
    job: Job = JobFactory(owner=user, url=OLD, title="An old walk", broken=True, error_code="bot_check")
    MediaFileFactory(job=job, filename="old.mp4")
    JobEvent.objects.append(job, "failed")
    JobLog.objects.append(job, [(timezone.now(), "error", "an old line")])
    for number in range(4):
        other = JobFactory(title="A new walk", broken=True)
        MediaFileFactory(job=other, filename=f"{number}.mp4")
        JobEvent.objects.append(other, "failed")
        JobLog.objects.append(other, [(timezone.now(), "error", "a line")])
    return job


def test_what_belongs_to_an_old_job_is_found_by_its_link_owner_and_error(site: Client, old: Job) -> None:
    for address, terms in (
        (FILES, (OLD, "ada", "bot_check", str(old.pk))),
        (EVENTS, (OLD, "ada", str(old.pk))),
        (LINES, (OLD, "ada", "bot_check", str(old.pk))),
    ):
        for term in terms:
            assert [row.job for row in listed(site, address, q=term)] == [old], (address, term)
        for term in (OLD[:-1], "nobody", "timeout"):
            assert listed(site, address, q=term) == [], (address, term)


def test_files_say_whose_they_are_and_are_found_by_the_title_among_the_newest(site: Client, old: Job) -> None:
    assert "A walk of them" not in site.get(FILES).text
    assert [file.filename for file in listed(site, FILES, q="new walk")] == ["3.mp4", "2.mp4", "1.mp4"]
    assert listed(site, FILES, q="old walk") == []
    owners = {row.job.owner.username for row in listed(site, FILES)}
    text = site.get(FILES).text
    assert all(f">{name}<" in text for name in owners)


def test_events_are_found_by_error_and_kind_among_the_newest(site: Client, old: Job) -> None:
    assert len(listed(site, EVENTS, q="not_found")) == 3
    assert len(listed(site, EVENTS, q="failed")) == 3
    JobEvent.objects.append(old, "cancelled")
    assert [event.kind for event in listed(site, EVENTS, q="cancelled")] == ["cancelled"]


# --- Batches, keys, files and their lists -----------------------------------------------------------------------


def test_an_old_batch_is_found_by_its_link(site: Client) -> None:
    old = BatchFactory(kind="playlist", url=OLD, title="A list")
    for _ in range(4):
        BatchFactory(kind="playlist", url=f"{OLD}/not")
    assert listed(site, BATCHES, q=OLD) == [old]
    assert listed(site, BATCHES, q="A list") == []
    starts = Batch.objects.for_url(OLD).order_by("-pk")
    assert uses(starts, "batch_by_url")


def test_a_key_leads_to_its_jobs_however_old(site: Client, user: User) -> None:
    key, _ = ApiKey.objects.issue(user, "phone", [Scope.READ])
    job = JobFactory(owner=user, api_key=key)
    JobFactory.create_batch(4, owner=user)
    address = f"{JOBS}?api_key__id__exact={key.pk}"
    assert f'href="{address}"' in site.get(f"/admin/accounts/apikey/{key.pk}/change/").text
    assert listed(site, address) == [job]
    assert uses(Job.objects.filter(api_key=key).order_by("-pk"), "job_of_a_key")


def test_jobs_of_a_key_have_one_index_for_it() -> None:
    with connection.cursor() as cursor:
        kept = connection.introspection.get_constraints(cursor, Job._meta.db_table)
    of_key = [name for name, facts in kept.items() if facts["index"] and facts["columns"][:1] == ["api_key_id"]]
    assert of_key == ["job_of_a_key"]


def test_a_file_leads_to_links_to_it_however_old(site: Client, user: User) -> None:
    file, other = MediaFileFactory(job=JobFactory(owner=user, finished=True)), MediaFileFactory()
    link = Link.objects.issue(file, user, timezone.now())
    for _ in range(4):
        Link.objects.issue(other, other.job.owner, timezone.now())
    address = f"{LINKS}?file__id__exact={file.pk}"
    assert f'href="{address}"' in site.get(f"{FILES}{file.pk}/change/").text
    assert listed(site, address) == [link]


# --- Failed sign-ins --------------------------------------------------------------------------------------------


def test_a_failed_sign_in_is_found_by_name_and_address_among_all(site: Client) -> None:
    def attempt(name: str, address: str) -> AccessAttempt:
        facts = {"user_agent": "x", "failures_since_start": 1}
        row: AccessAttempt = AccessAttempt.objects.create(username=name, ip_address=address, **facts)
        return row

    old = attempt("ada", "192.0.2.7")
    newer = [attempt(f"guess-{number}", f"198.51.100.{number}") for number in range(4)]
    for term in ("ada", "192.0.2.7"):
        assert listed(site, ATTEMPTS, q=term) == [old], term
    assert listed(site, ATTEMPTS, q="guess") == newer[:0:-1]
    assert listed(site, ATTEMPTS, q="ad") == []
    assert listed(site, ATTEMPTS) == [*newer[::-1], old]
