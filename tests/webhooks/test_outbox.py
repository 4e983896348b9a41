"""From what happens to a job to the rows that tell of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from downloads.engine.errors import ErrorCode, JobError
from downloads.models import Job, JobEvent, MediaFile, Stage
from tests.factories import BatchFactory, JobFactory, MediaFileFactory
from tests.webhooks.conftest import MakeEndpoint
from webhooks import outbox, upkeep
from webhooks.models import Delivery, DisabledReason, Endpoint

pytestmark = pytest.mark.django_db
ALL = ["download.queued", "download.started", "download.completed", "download.failed", "download.cancelled"]


def submit(owner: User, **options: Any) -> Job:
    return Job.submit(owner=owner, url="http://media.example/clip.mp4", host="media.example", options=options)


def told() -> list[str]:
    return list(Delivery.objects.order_by("id").values_list("event", flat=True))


def body() -> dict[str, Any]:
    return dict(json.loads(Delivery.objects.latest("id").body))


def test_each_step_of_a_job_is_told_with_the_job_as_it_is_then(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user, events=ALL)
    job = submit(user)
    assert (body()["event"], body()["request_id"], body()["data"]["status"]) == (
        "download.queued",
        str(job.pk),
        "queued",
    )
    job.start("node/1/1")
    assert body()["data"]["status"] == "running"
    job.complete([MediaFileFactory.build_batch(1, job=job)[0]])
    assert (body()["event"], body()["data"]["status"]) == ("download.completed", "completed")
    assert body()["data"]["files"][0]["filename"] == "clip.mp4"
    assert body()["data"]["file_url"].startswith("https://media.example.org/api/v1/files/")
    assert told() == ["download.queued", "download.started", "download.completed"]
    assert MediaFile.objects.get().job == job


def test_a_failure_and_a_cancel_are_told(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user, events=ALL)
    JobFactory(owner=user, running=True).fail(JobError(ErrorCode.NOT_FOUND, "Gone."))
    assert body()["data"]["error_code"] == "not_found"
    JobFactory(owner=user).cancel()
    assert told() == ["download.failed", "download.cancelled"]


def test_a_retry_is_the_jobs_own_business(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user, events=ALL)
    job = JobFactory(owner=user, running=True)
    job.fail(JobError(ErrorCode.NETWORK_ERROR, "Away."))
    assert told() == []


def test_only_who_asked_for_an_event_hears_it(user: User, endpoint_of: MakeEndpoint) -> None:
    wanted = endpoint_of(user, events=["download.queued"])
    endpoint_of(user, events=["download.failed"])
    endpoint_of(user, events=["download.queued"]).disable(DisabledReason.OWNER)
    submit(user)
    assert Delivery.objects.get().endpoint == wanted


def test_nobody_elses_endpoint_hears(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user, events=ALL)
    JobFactory().cancel()
    assert told() == []


def test_an_event_that_is_undone_is_not_told(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user, events=ALL)
    with transaction.atomic():
        submit(user)
        transaction.set_rollback(True)
    assert (told(), JobEvent.objects.count()) == ([], 0)


def test_a_request_can_name_its_own_address_and_events(user: User) -> None:
    job = submit(user, webhook_url="https://hooks.example.org/one", webhook_events=["download.queued"])
    delivery = Delivery.objects.get()
    assert (delivery.url, delivery.request_id) == ("https://hooks.example.org/one", job.pk)
    assert delivery.endpoint == Endpoint.objects.for_requests().get(owner=user)
    job.cancel()
    assert told() == ["download.queued"]


def test_the_endpoint_of_requests_can_be_disabled(user: User) -> None:
    Endpoint.objects.of_requests(user.pk).disable(DisabledReason.OWNER)
    submit(user, webhook_url="https://hooks.example.org/one", webhook_events=["download.queued"])
    assert told() == []


def test_who_has_no_webhook_pays_one_look_for_a_submission(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = JobFactory(owner=user)
    with django_assert_num_queries(1):
        outbox.record([job], "queued")
    with django_assert_num_queries(0):
        outbox.record([job], "stage")


# --- Batches ----------------------------------------------------------------------------------------------------


def test_the_end_of_a_batch_is_told_with_what_came_of_it(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user, events=["batch.completed"])
    said = {"webhook_url": "https://hooks.example.org/one", "webhook_events": ["batch.completed"]}
    batch = BatchFactory(owner=user, options=said)
    first, second = JobFactory.create_batch(2, owner=user, batch=batch, options=said)
    first.cancel()
    assert told() == []
    second.cancel()
    assert told() == ["batch.completed"] * 2
    assert (body()["event"], body()["request_id"]) == ("batch.completed", str(batch.pk))
    assert (body()["data"]["status"], body()["data"]["cancelled"]) == ("cancelled", 2)


def test_many_jobs_at_once_are_told_by_few_queries(
    user: User, endpoint_of: MakeEndpoint, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    endpoint_of(user, events=["download.queued"])
    jobs = JobFactory.create_batch(20, owner=user)
    with django_assert_max_num_queries(8):
        outbox.record(jobs, "queued")
    assert told() == ["download.queued"] * 20


# --- Progress ---------------------------------------------------------------------------------------------------


def test_progress_is_told_to_who_wants_it_and_what_waits_is_replaced(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user, events=["download.progress"])
    job = JobFactory(owner=user)
    job.start("node/1/1")
    job.renew(progress_percent=10.0)
    job.renew(progress_percent=20.0)
    assert told() == ["download.progress"]
    assert body()["data"]["progress_percent"] == 20
    Delivery.objects.get().start("node/1/1")
    job.renew(progress_percent=30.0)
    assert told() == ["download.progress"] * 2


def test_progress_costs_nothing_where_nobody_wants_it(
    user: User, endpoint_of: MakeEndpoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    endpoint_of(user)
    job = JobFactory(owner=user)
    job.start("node/1/1")
    with django_assert_num_queries(1):
        job.renew(progress_percent=10.0)
    job.enter(Stage.PUBLISHING, progress_percent=95.0)
    assert told() == []


# --- Expiry -----------------------------------------------------------------------------------------------------


def completed(owner: User, minutes: float, **fields: Any) -> Job:
    expires_at = timezone.now() + timedelta(minutes=minutes)
    return JobFactory(owner=owner, finished=True, expires_at=expires_at, **fields)


def test_the_coming_end_of_files_is_told_once(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user, events=["download.expiring"])
    job = completed(user, 14)
    completed(user, 16)
    completed(user, 14, retention=timedelta(minutes=20))
    for _ in range(3):
        upkeep.look_after()
    assert (told(), Delivery.objects.get().request_id) == (["download.expiring"], job.pk)


def test_another_time_of_expiry_is_told_again(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user, events=["download.expiring"])
    job = completed(user, 14)
    upkeep.look_after()
    job.keep(timedelta(minutes=10))
    upkeep.look_after()
    assert told() == ["download.expiring"] * 2


def test_the_coming_end_is_told_to_the_address_of_a_request(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint_of(user)
    Endpoint.objects.of_requests(user.pk)
    said = {"webhook_url": "https://a.example/", "webhook_events": ["download.expiring"]}
    completed(user, 5, options=said)
    upkeep.look_after()
    assert Delivery.objects.get().url == "https://a.example/"


def test_looking_for_it_costs_one_query_where_nobody_asks(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    completed(user, 5)
    with django_assert_num_queries(1):
        outbox.announce_expiring()


# --- Keeping ----------------------------------------------------------------------------------------------------


def test_what_is_long_over_is_forgotten(user: User, endpoint_of: MakeEndpoint) -> None:
    endpoint = endpoint_of(user, events=["download.queued", "download.progress"])
    for days, event in ((8, "download.queued"), (6, "download.queued"), (0.1, "download.progress")):
        at = timezone.now() - timedelta(days=days)
        delivery = outbox._delivery(endpoint, endpoint.url, event, "{}")
        delivery.status, delivery.finished_at = "delivered", at
        delivery.save()
    outbox.record_test(endpoint)
    assert upkeep.purge() == 2
    assert told() == ["download.queued", "webhook.test"]
