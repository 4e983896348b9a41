from __future__ import annotations

import select
import socket
import threading
import time
from pathlib import Path

import pytest
from django.db import transaction
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from pytest_django import Settings

from downloads import apps, bell
from downloads.broker import OrmBroker
from downloads.models import Job
from tests.factories import JobFactory, UserFactory


def is_knocked(ear: socket.socket, seconds: float = 1.0) -> bool:
    return bool(select.select([ear], [], [], seconds)[0])


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the web process."""
    monkeypatch.setattr(bell, "_kept", None)
    bell.keep()


def test_a_knock_is_heard_by_the_one_who_listens() -> None:
    ear = bell.listen("download")
    assert ear is not None
    with ear:
        bell.knock("probe")
        assert not is_knocked(ear, 0.05)
        bell.knock("download")
        assert is_knocked(ear)
        bell.drain(ear)
        assert not is_knocked(ear, 0)


def test_only_one_process_of_a_machine_listens_on_a_name() -> None:
    ear = bell.listen("download")
    assert ear is not None
    with ear:
        assert bell.listen("download") is None
    again = bell.listen("download")
    assert again is not None
    again.close()


def test_two_data_directories_do_not_hear_each_other(settings: Settings, tmp_path: Path) -> None:
    ear = bell.listen("download")
    assert ear is not None
    with ear:
        settings.DATA_DIR = tmp_path / "another"
        bell.knock("download")
        assert not is_knocked(ear, 0.05)


def test_knocking_where_nobody_listens_or_nobody_empties_the_box_is_no_error() -> None:
    bell.knock("nobody")
    ear = bell.listen("full")
    assert ear is not None
    with ear:
        for _ in range(2000):
            bell.knock("full")


@pytest.mark.django_db(transaction=True)
def test_a_ring_knocks_once_its_transaction_has_committed() -> None:
    ear = bell.listen("download")
    assert ear is not None
    with ear:
        with transaction.atomic():
            bell.ring(bell.DOWNLOAD)
            assert not is_knocked(ear, 0.05)
        assert is_knocked(ear)
    assert OrmQ.objects.filter(key="download").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_kept_knock_goes_out_once_when_it_is_released(kept: None) -> None:
    ear = bell.listen("download")
    assert ear is not None
    with ear:
        for _ in range(3):
            bell.ring(bell.DOWNLOAD)
        assert not is_knocked(ear, 0.05)
        bell.release()
        assert is_knocked(ear)
        assert ear.recv(16) == b"!"
        assert not is_knocked(ear, 0)
        bell.release()
        assert not is_knocked(ear, 0.05)
    assert OrmQ.objects.filter(key="download").count() == 3


@pytest.mark.django_db(transaction=True)
def test_the_first_of_many_knocks_is_not_kept_for_long(kept: None) -> None:
    ear = bell.listen("download")
    assert ear is not None
    with ear:
        bell.ring(bell.DOWNLOAD)
        time.sleep(bell.KEPT_SECONDS)
        assert not is_knocked(ear, 0)
        bell.ring(bell.DOWNLOAD)
        assert is_knocked(ear)


@pytest.mark.django_db(transaction=True)
def test_cancelling_knocks_at_the_attempt_at_once(kept: None) -> None:
    job: Job = JobFactory(running=True)
    ear = bell.listen(bell.attempt(job.pk))
    assert ear is not None
    with ear:
        job.cancel()
        assert is_knocked(ear)


@pytest.mark.django_db(transaction=True)
def test_a_knock_ends_the_brokers_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "POLL", 5.0)
    broker = OrmBroker("download")
    knocker = threading.Timer(0.2, bell.knock, ["download"])
    knocker.start()

    began = time.monotonic()
    assert broker.dequeue() is None
    assert 0.1 < time.monotonic() - began < 2.0
    knocker.join()
    assert broker._ear is not None
    broker._ear.close()


@pytest.mark.django_db(transaction=True)
def test_the_broker_hands_out_each_wake_up_once_and_in_order() -> None:
    for _ in range(3):
        bell.ring(bell.DOWNLOAD)
    bell.ring(bell.PROBE)
    broker, other = OrmBroker("download"), OrmBroker("download")

    taken = [task_id for source in (broker, other, broker) for task_id, _ in source.dequeue() or []]
    assert taken == sorted(OrmQ.objects.filter(key="download").values_list("id", flat=True))
    assert len(set(taken)) == 3


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_carries_no_more_than_a_name() -> None:
    Job.submit(owner=UserFactory(), url="http://secret.example/x?token=1", host="secret.example")

    task = SignedPackage.loads(OrmQ.objects.get().payload)
    assert (task["func"], task["args"], task["kwargs"]) == ("downloads.tasks.run_downloads", (), {})


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_is_spent_before_it_runs() -> None:
    bell.ring(bell.DOWNLOAD)
    task = {"ack_id": OrmQ.objects.get().pk, "func": "x"}

    apps.acknowledge_before_running(task=task)
    assert not OrmQ.objects.exists()
    assert "ack_id" not in task
    apps.acknowledge_before_running(task=task)
