"""A queue in Redis that nodes share: who takes a ring, and who must."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django_q.conf import Conf
from django_q.signing import SignedPackage
from pytest_django import Settings

from downloads import bell
from downloads.broker import RedisBroker
from downloads.models import Job, Status
from downloads.supervision import PULSE_SECONDS, SILENT_CLUSTER_SECONDS
from tests.downloads.pulses import Cluster, Passing
from tests.factories import UserFactory
from tests.redis import redis_server

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def redis_url(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with redis_server(tmp_path) as address:
        settings.REDIS_URL = address
        monkeypatch.setattr(Conf, "REDIS", address)
        monkeypatch.setattr("downloads.bell.get_broker", RedisBroker)
        monkeypatch.setattr("downloads.broker.REDIS_WAIT_SECONDS", 0.05)
        bell._wake_up.cache_clear()
        yield address
        bell._wake_up(bell.DOWNLOAD)[0].connection.close()
        bell._wake_up.cache_clear()


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    made = RedisBroker(bell.DOWNLOAD)
    yield made
    made.connection.close()


def test_a_ring_wakes_whichever_node_comes_first(broker: RedisBroker, settings: Settings) -> None:
    bell.ring(bell.DOWNLOAD)
    settings.NODE_NAME = "another"
    ((_, package),) = broker.dequeue() or [(None, b"")]
    assert SignedPackage.loads(package.decode())["func"] == bell.TASKS[bell.DOWNLOAD]
    assert broker.dequeue() is None


def test_no_other_node_answers_a_ring_for_this_one(broker: RedisBroker, settings: Settings) -> None:
    ours = settings.NODE_NAME
    bell.ring_here(bell.DOWNLOAD)
    settings.NODE_NAME = "another"
    assert broker.dequeue() is None
    settings.NODE_NAME = ours
    assert broker.dequeue() is not None


def test_a_node_hears_its_own_ring_before_those_for_all(broker: RedisBroker) -> None:
    broker.enqueue("for all")
    broker.enqueue_here("for us")
    assert [broker.dequeue(), broker.dequeue()] == [[(None, b"for us")], [(None, b"for all")]]


# --- While Redis is away ----------------------------------------------------------------------------------------
@pytest.fixture
def nobody(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody"
    monkeypatch.setattr(Conf, "REDIS", settings.REDIS_URL)
    monkeypatch.setattr("downloads.bell.get_broker", RedisBroker)
    bell._wake_up.cache_clear()
    yield
    bell._wake_up.cache_clear()


def test_a_cluster_that_cannot_hear_its_ring_is_not_started_again(
    nobody: None, passing: Passing, cluster: Cluster
) -> None:
    """Or each of its downloads would be killed every half minute."""
    passing.pulses(int(3 * SILENT_CLUSTER_SECONDS / PULSE_SECONDS))
    assert cluster.kills == 0


def test_a_submission_does_not_need_redis(nobody: None) -> None:
    job = Job.submit(owner=UserFactory(), url="http://media.example/a", host="media.example")
    assert Job.objects.get(pk=job.pk).status == Status.QUEUED
