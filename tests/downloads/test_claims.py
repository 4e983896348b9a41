from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoAssertNumQueries, Settings

from downloads.claims import claim
from downloads.models import Hold, HoldKind, Job, Priority, Status
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db
WORKER = "node/1/1"


def claim_all() -> list[Job]:
    claimed = []
    while job := claim(WORKER):
        claimed.append(job)
    return claimed


def test_nothing_is_claimed_from_an_empty_queue() -> None:
    assert claim(WORKER) is None


def test_the_oldest_job_is_claimed_first_and_runs_under_a_lease() -> None:
    first, second = JobFactory.create_batch(2, owner=UserFactory())

    job = claim(WORKER)
    assert job == first
    assert (job.status, job.worker, job.attempt) == (Status.RUNNING, WORKER, 1)
    assert job.lease is not None
    assert claim(WORKER) == second


def test_priority_goes_before_age() -> None:
    owner = UserFactory()
    low, normal, high = (JobFactory(owner=owner, priority=priority) for priority in Priority)

    assert claim_all() == [high, normal, low]


def test_an_owner_with_many_jobs_does_not_starve_another() -> None:
    busy, quiet = UserFactory(), UserFactory()
    many = JobFactory.create_batch(5, owner=busy)
    one = JobFactory(owner=quiet)

    assert claim_all()[:2] == [many[0], one]


@pytest.mark.parametrize("status", [status for status in Status if status != Status.QUEUED])
def test_only_queued_jobs_are_claimed(status: Status) -> None:
    traits = {Status.RUNNING: {"running": True}, Status.COMPLETED: {"finished": True}, Status.FAILED: {"broken": True}}
    moment = timezone.now() if status == Status.CANCELLED else None
    JobFactory(**traits.get(status, {"status": status, "finished_at": moment}))

    assert claim(WORKER) is None


def test_a_job_that_is_not_due_waits() -> None:
    JobFactory(eligible_at=timezone.now() + timedelta(minutes=1))

    assert claim(WORKER) is None


def test_an_owner_at_the_cap_waits_and_others_go_on(settings: Settings) -> None:
    settings.MAX_JOBS_PER_OWNER = 2
    busy, quiet = UserFactory(), UserFactory()
    JobFactory.create_batch(4, owner=busy)
    JobFactory.create_batch(1, owner=quiet)

    claimed = [job.owner for job in claim_all()]
    assert sorted(map(str, claimed)) == sorted(map(str, [busy, busy, quiet]))


def test_an_owners_own_cap_goes_before_the_servers(settings: Settings) -> None:
    settings.MAX_JOBS_PER_OWNER = 1
    owner = UserFactory(max_concurrent_jobs=3)
    JobFactory.create_batch(5, owner=owner)

    assert len(claim_all()) == 3


def test_a_host_at_its_cap_lets_jobs_for_other_hosts_pass(settings: Settings) -> None:
    settings.MAX_JOBS_PER_HOST = 1
    owner = UserFactory()
    JobFactory.create_batch(3, owner=owner, host="slow.example")
    other = JobFactory(owner=owner, host="other.example")

    claimed = claim_all()
    assert [job.host for job in claimed] == ["slow.example", "other.example"]
    assert claimed[1] == other


def test_a_claim_costs_the_same_few_queries_with_a_long_queue(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for owner in UserFactory.create_batch(5):
        JobFactory.create_batch(20, owner=owner)
        JobFactory(owner=owner, running=True)

    with django_assert_max_num_queries(14):
        assert claim(WORKER) is not None


@pytest.mark.django_db(transaction=True)
def test_parallel_claims_take_each_job_once_and_keep_the_cap_strict(settings: Settings) -> None:
    settings.MAX_JOBS_PER_OWNER = 5
    JobFactory.create_batch(12, owner=UserFactory())
    barrier = threading.Barrier(8)
    claimed: list[Job] = []

    def race(number: int) -> None:
        barrier.wait()
        try:
            while job := claim(f"node/{number}/1"):
                claimed.append(job)
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == len({job.pk for job in claimed}) == 5


# --- What operators hold ----------------------------------------------------------------------------------------


def test_a_paused_queue_gives_nothing_until_it_is_resumed() -> None:
    job = JobFactory()
    assert Hold.objects.place(HoldKind.QUEUE)
    assert not Hold.objects.place(HoldKind.QUEUE)
    assert claim(WORKER) is None

    assert Hold.objects.lift(HoldKind.QUEUE)
    assert not Hold.objects.lift(HoldKind.QUEUE)
    assert claim(WORKER) == job


def test_the_jobs_of_a_paused_owner_wait_and_others_go_on() -> None:
    held, free = JobFactory(priority=Priority.HIGH), JobFactory()
    Hold.objects.place(HoldKind.OWNER, str(held.owner_id))
    assert claim_all() == [free]

    Hold.objects.lift(HoldKind.OWNER, str(held.owner_id))
    assert claim(WORKER) == held


def test_jobs_for_a_paused_host_let_others_of_the_same_owner_pass() -> None:
    owner = UserFactory()
    JobFactory(owner=owner, host="slow.example", priority=Priority.HIGH)
    free = JobFactory(owner=owner, host="other.example")
    Hold.objects.place(HoldKind.HOST, "slow.example")

    assert claim_all() == [free]


def test_a_drained_machine_takes_nothing_and_others_go_on() -> None:
    job = JobFactory()
    Hold.objects.place(HoldKind.NODE, "site/a")

    assert claim("site/a/1/1") is None
    assert claim("site/1/1") == job


def test_who_waited_is_woken_by_the_resume() -> None:
    Hold.objects.place(HoldKind.NODE, "node")
    assert not OrmQ.objects.exists()
    Hold.objects.lift(HoldKind.NODE, "node")
    assert set(OrmQ.objects.values_list("key", flat=True)) == {"download", "probe"}


def test_a_hold_goes_with_its_owner() -> None:
    owner = UserFactory()
    Hold.objects.place(HoldKind.OWNER, str(owner.pk))
    owner.delete()
    assert not Hold.objects.exists()
