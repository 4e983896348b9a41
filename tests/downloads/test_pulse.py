"""The pulse: a cluster that does not answer its rings is started again, whatever the clock says meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection

from downloads import bell, workers
from downloads.models import Node
from downloads.supervision import PULSE_SECONDS, SILENT_CLUSTER_SECONDS, Pulse
from tests.downloads.pulses import Cluster, Passing

pytestmark = pytest.mark.django_db


def test_a_silent_cluster_is_killed_so_that_it_is_started_again(passing: Passing, cluster: Cluster) -> None:
    passing.pulses(int(SILENT_CLUSTER_SECONDS / PULSE_SECONDS) + 1)
    assert cluster.kills == 0
    passing.pulses(2)
    assert cluster.kills == 1


def test_a_cluster_that_answers_is_left_alone(passing: Passing, cluster: Cluster) -> None:
    for second in range(8):
        passing.pulses(1)
        answer_at(1_000_000 + second)
    assert cluster.kills == 0


@pytest.mark.parametrize("hours", [3, -3])
def test_a_clock_that_is_set_makes_no_cluster_silent(passing: Passing, cluster: Cluster, hours: int) -> None:
    answer_at(time.time())
    passing.pulses(1)
    answer_at(time.time() + hours * 3600)
    passing.pulses(2)
    assert cluster.kills == 0


def test_a_clock_that_is_set_hides_no_silence(passing: Passing, cluster: Cluster) -> None:
    answer_at(time.time() + 3 * 3600)
    passing.pulses(5)
    assert cluster.kills == 1


@pytest.mark.parametrize(("clusters", "slots"), [(["download", "control"], 4), (["control"], 0), ([], 0)])
def test_a_node_without_downloads_is_no_worker(clusters: list[str], slots: int) -> None:
    pulse_of(*clusters).beat()
    assert Node.objects.get().slots == slots
    assert Node.objects.workers().exists() == bool(slots)


def test_a_node_that_was_told_to_stop_is_forgotten_and_no_other() -> None:
    pulse = pulse_of("download")
    pulse.beat()
    Node.objects.pulse("another", slots=4)
    pulse.end()
    assert Node.objects.get().name == "another"


@pytest.mark.django_db(transaction=True)
def test_a_node_stops_without_a_database() -> None:
    def refuse(*_: Any) -> None:
        raise OperationalError("the database is away")

    pulse = pulse_of("download")
    pulse.beat()
    with connection.execute_wrapper(refuse):
        pulse.end()
    assert Node.objects.exists()


def pulse_of(*names: str) -> Pulse:
    return Pulse([named(name) for name in names], lambda _: None)  # type: ignore[misc]


def named(name: str) -> Cluster:
    cluster = Cluster()
    cluster.name = name
    return cluster


def answer_at(moment: float) -> None:
    """A beat by a node whose clock says so."""
    workers.beat(bell.CONTROL)
    beat = Path(settings.RUN_ROOT) / f"{bell.CONTROL}.beat"
    os.utime(beat, (moment, moment))
