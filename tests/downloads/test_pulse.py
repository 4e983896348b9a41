"""The pulse: a cluster that does not answer its rings is started again, whatever the clock says meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.conf import settings

from downloads import bell, workers
from downloads.supervision import PULSE_SECONDS, SILENT_CLUSTER_SECONDS
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


def answer_at(moment: float) -> None:
    """A beat by a node whose clock says so."""
    workers.beat(bell.CONTROL)
    beat = Path(settings.RUN_ROOT) / f"{bell.CONTROL}.beat"
    os.utime(beat, (moment, moment))
