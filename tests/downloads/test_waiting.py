from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import ApiKey
from downloads.claims import claim
from downloads.models import BatchStatus, Hold, HoldKind, Job, Node
from downloads.waiting import NEXT, Waiting
from tests.factories import BatchFactory, JobFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def node() -> Node:
    Node.objects.pulse("node", slots=4)
    return Node.objects.get()


def reason(job: Job) -> str:
    return Waiting().reason(job)


def is_claimed(job: Job) -> bool:
    return claim("node/1/1") == job


def test_what_could_start_starts_in_a_moment() -> None:
    job = JobFactory()
    assert reason(job) == NEXT
    assert is_claimed(job)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (HoldKind.QUEUE, "The queue is paused."),
        (HoldKind.OWNER, "Its user is paused."),
        (HoldKind.HOST, "Its host is paused."),
        (HoldKind.NODE, "All machines are drained."),
    ],
)
def test_says_what_is_paused(kind: HoldKind, said: str) -> None:
    job = JobFactory()
    subjects = {HoldKind.OWNER: str(job.owner_id), HoldKind.HOST: job.host, HoldKind.NODE: "node"}
    Hold.objects.place(kind, subjects.get(kind, ""))
    assert reason(job) == said
    assert not is_claimed(job)


def test_says_when_it_was_asked_to_start_and_when_it_is_tried_again() -> None:
    later = timezone.now() + timedelta(hours=1)
    asked = JobFactory(eligible_at=later)
    again = JobFactory(eligible_at=later, attempt=1, error_code="network_error")
    assert reason(asked) == f"Asked to start at {later:%Y-%m-%d %H:%M:%S} UTC."
    assert reason(again).startswith(f"Tries again at {later:%Y-%m-%d %H:%M:%S} UTC (")
    assert not is_claimed(asked)


def test_says_whose_limit_is_reached(settings: Settings) -> None:
    settings.MAX_JOBS_PER_HOST, settings.MAX_JOBS_PER_OWNER = 2, 0
    one, other = UserFactory(max_concurrent_jobs=1), UserFactory()
    batch = BatchFactory(owner=other, concurrent_limit=1)
    key, _ = ApiKey.objects.issue(other, "small", ["write"], None)
    ApiKey.objects.filter(pk=key.pk).update(max_concurrent_jobs=1)
    key.refresh_from_db()
    crowd = {"running": True, "host": "crowd.example"}
    for fields in ({"owner": one}, {"batch": batch, "owner": other}, {"owner": other, "api_key": key}, crowd, crowd):
        JobFactory(**{"running": True, "host": "a.example"} | fields)
    settings.MAX_JOBS_PER_HOST = 0
    waiting: dict[str, dict[str, Any]] = {
        "Its user's limit: 1 at a time.": {"owner": one},
        "Its batch's limit: 1 at a time.": {"owner": other, "batch": batch},
        "Its key's limit: 1 at a time.": {"owner": other, "api_key": key},
    }
    for said, fields in waiting.items():
        assert reason(JobFactory(**fields)) == said
    settings.MAX_JOBS_PER_HOST = 2
    assert reason(JobFactory(host="crowd.example")) == "The limit of its host: 2 at a time."
    assert claim("node/1/1") is None


def test_says_that_the_same_is_being_fetched() -> None:
    same = {"owner": UserFactory(), "fingerprint": uuid.uuid4()}
    JobFactory(running=True, **same)
    job = JobFactory(**same)
    assert reason(job) == "It takes the files of a download of the same, which still runs."
    assert not is_claimed(job)


def test_says_that_its_batch_is_being_stopped() -> None:
    job = JobFactory(batch=BatchFactory(status=BatchStatus.STOPPING))
    assert reason(job) == "Its batch is being stopped."
    assert not is_claimed(job)


def test_says_that_slots_are_busy_and_that_nobody_is_there() -> None:
    job = JobFactory()
    for number in range(4):
        JobFactory(running=True, host=f"{number}.example", worker=f"node/{number}/1")
    assert reason(job) == "All 4 slots are busy."
    Node.objects.all().delete()
    assert reason(job) == "No worker has been heard of."


def test_reads_once_for_many(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    JobFactory.create_batch(20)
    jobs = list(Job.objects.queued().select_related("owner"))
    with django_assert_max_num_queries(4):
        waiting = Waiting()
        assert {waiting.reason(job) for job in jobs} == {NEXT}
