"""The order of claims beside one that reads all rows, in queues longer than the beginning that a claim reads."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as current
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import ApiKey, Scope, User
from downloads.claims import BEGINNING, claim
from downloads.models import BatchStatus, Hold, HoldKind, Job, Priority, Status, line
from tests.factories import BatchFactory, JobFactory, UserFactory

pytestmark = pytest.mark.django_db
HOSTS = ("one.example", "two.example", "three.example")
CAP_OF_OWNERS, CAP_OF_HOSTS = 6, 9


def naive(held_owners: set[Any], held_hosts: set[str]) -> uuid.UUID | None:
    """What is to be claimed next, by the words of docs/architecture.md alone."""
    jobs = list(Job.objects.select_related("owner", "batch", "api_key"))
    running = [job for job in jobs if job.status == Status.RUNNING]
    of_owners, of_hosts = Counter(job.owner_id for job in running), Counter(job.host for job in running)
    of_batches, of_keys = Counter(job.batch_id for job in running), Counter(job.api_key_id for job in running)
    fetched = {job.fingerprint for job in running if job.fingerprint}

    def may_start(job: Job) -> bool:
        own = job.owner.max_concurrent_jobs
        cap = CAP_OF_OWNERS if own is None else own
        batch, key = job.batch, job.api_key
        return (
            job.status == Status.QUEUED
            and job.eligible_at <= timezone.now()
            and not (cap and of_owners[job.owner_id] >= cap)
            and of_hosts[job.host] < CAP_OF_HOSTS
            and not (batch and batch.status == BatchStatus.STOPPING)
            and not (batch and batch.concurrent_limit and of_batches[batch.pk] >= batch.concurrent_limit)
            and not (key and key.max_concurrent_jobs and of_keys[key.pk] >= key.max_concurrent_jobs)
            and job.fingerprint not in fetched
            and job.owner_id not in held_owners
            and job.host not in held_hosts
        )

    def rank(job: Job) -> tuple[int, int, uuid.UUID]:
        return (-job.priority, of_owners[job.owner_id], job.id)

    best = min(filter(may_start, jobs), key=rank, default=None)
    return best.pk if best else None


def queue(dice: random.Random) -> tuple[set[Any], set[str]]:
    """Jobs of all kinds, by turns or one owner after the other; whom operators hold."""
    owners = [UserFactory(max_concurrent_jobs=dice.choice([None, None, 0, 2])) for _ in range(dice.randint(1, 6))]
    batches = {
        owner: [
            BatchFactory(owner=owner, concurrent_limit=2),
            BatchFactory(owner=owner, status=BatchStatus.STOPPING),
        ]
        for owner in owners
    }
    keys = {owner: ApiKey.objects.issue(owner, "key", [Scope.WRITE], max_concurrent_jobs=1)[0] for owner in owners}
    same = [uuid.uuid4(), uuid.uuid4()]
    turns = [dice.choice(owners) for _ in range(dice.randint(0, 5 * BEGINNING))]
    if dice.random() < 0.7:
        turns.sort(key=owners.index)
    plain = dice.choice([0.2, 0.9])
    for owner in turns:
        JobFactory(
            owner=owner,
            host=dice.choice(HOSTS),
            priority=dice.choice([*Priority, Priority.NORMAL, Priority.NORMAL]),
            batch=None if dice.random() < plain else dice.choice(batches[owner]),
            api_key=None if dice.random() < plain else keys[owner],
            fingerprint=None if dice.random() < plain else dice.choice(same),
            eligible_at=timezone.now() + timedelta(hours=1 if dice.random() < 0.1 else -1),
        )
    held_owners = {owner.pk for owner in owners if dice.random() < 0.1}
    held_hosts = {host for host in HOSTS if dice.random() < 0.1}
    for owner_id in held_owners:
        Hold.objects.place(HoldKind.OWNER, str(owner_id))
    for host in held_hosts:
        Hold.objects.place(HoldKind.HOST, host)
    return held_owners, held_hosts


@pytest.mark.parametrize("seed", range(12))
def test_claims_come_in_the_order_of_one_who_reads_everything(seed: int, settings: Settings) -> None:
    settings.MAX_JOBS_PER_OWNER, settings.MAX_JOBS_PER_HOST = CAP_OF_OWNERS, CAP_OF_HOSTS
    settings.DOWNLOAD_REUSE_SECONDS = 3600
    dice = random.Random(seed)
    held = queue(dice)

    while (expected := naive(*held)) is not None:
        job = claim("node/1/1")
        assert job is not None
        assert job.pk == expected
        if dice.random() < 0.3:
            dice.choice(list(Job.objects.running())).cancel()
    assert claim("node/1/1") is None


def busy_at_the_front(count: int) -> Job:
    """Of an owner who has one running, `count` that wait; and behind them one of somebody else, which is returned."""
    first = UserFactory()
    JobFactory(owner=first, running=True)
    jobs = [Job(owner=first, url="http://media.example/clip.mp4", host="media.example") for _ in range(count)]
    Job.objects.bulk_create(jobs)
    return JobFactory(owner=UserFactory())


@pytest.mark.parametrize("count", [BEGINNING - 2, BEGINNING - 1, BEGINNING, BEGINNING + 1])
def test_who_has_nothing_running_is_found_behind_whatever_is_in_front(count: int) -> None:
    behind = busy_at_the_front(count)
    assert claim("node/1/1") == behind


def full_host_at_the_front(count: int) -> tuple[Job, Job]:
    """`count` jobs of a host at its limit, and behind them, of another host, one of their owner and one of another."""
    owner = UserFactory()
    JobFactory.create_batch(current.MAX_JOBS_PER_HOST, owner=owner, host="full.example", running=True)
    add_to_full_host(owner, count)
    return JobFactory(owner=owner), JobFactory(owner=UserFactory())


def add_to_full_host(owner: User, count: int) -> None:
    jobs = [Job(owner=owner, url="http://full.example/clip.mp4", host="full.example") for _ in range(count)]
    Job.objects.bulk_create(jobs)


@pytest.mark.parametrize("most_lanes", [1, line.MOST_LANES])
@pytest.mark.parametrize("count", [BEGINNING - 2, BEGINNING - 1, BEGINNING, 3 * BEGINNING])
def test_a_host_at_its_limit_hides_no_job_behind_its_own(
    count: int, most_lanes: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MAX_JOBS_PER_HOST = 2
    monkeypatch.setattr(line, "MOST_LANES", most_lanes)
    same, another = full_host_at_the_front(count)
    hosts = [JobFactory(owner=same.owner, host=host, priority=Priority.LOW) for host in HOSTS]

    assert [claim("node/1/1") for _ in range(5)] == [another, same, *hosts]
    assert claim("node/1/1") is None


def test_who_waits_for_a_full_host_alone_lets_others_go_on(settings: Settings) -> None:
    settings.MAX_JOBS_PER_HOST = 1
    owner = UserFactory()
    JobFactory(owner=owner, host="full.example", running=True)
    for waiting in UserFactory.create_batch(3):
        add_to_full_host(waiting, BEGINNING)
    behind = JobFactory(owner=UserFactory(), priority=Priority.LOW)

    assert [claim("node/1/1"), claim("node/1/1")] == [behind, None]


def test_priority_ends_the_search_for_who_has_less(settings: Settings) -> None:
    settings.MAX_JOBS_PER_OWNER = 0
    busy_at_the_front(BEGINNING)
    important = JobFactory(owner=Job.objects.running().get().owner, priority=Priority.HIGH)
    assert claim("node/1/1") == important


by_indexes = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a small table as a whole")


@by_indexes
def test_jobs_of_a_full_host_are_not_looked_at_one_by_one(settings: Settings) -> None:
    settings.MAX_JOBS_PER_HOST = 1
    same, _ = full_host_at_the_front(2 * BEGINNING)
    few = _instructions(lambda: claim("node/1/1"))
    add_to_full_host(same.owner, 20 * BEGINNING)
    JobFactory(owner=UserFactory(), priority=Priority.LOW)
    Job.objects.running().filter(host="media.example").delete()
    assert _instructions(lambda: claim("node/1/1")) < 2 * few


@by_indexes
def test_users_who_have_nothing_waiting_are_not_looked_at_one_by_one() -> None:
    busy_at_the_front(2 * BEGINNING)
    few = _instructions(lambda: claim("node/1/1"))
    UserFactory.create_batch(200)
    assert _instructions(lambda: claim("node/1/1")) < 2 * few


def _instructions(action: Callable[[], Any]) -> int:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.connection.set_progress_handler(count, 1)
    action()
    connection.connection.set_progress_handler(None, 1)
    return steps
