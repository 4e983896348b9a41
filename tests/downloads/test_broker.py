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
