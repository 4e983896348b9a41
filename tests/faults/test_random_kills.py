"""Processes of every kind are killed at random while jobs run: none is lost, none is doubled, every byte is right."""

from __future__ import annotations

import os
import random

import pytest

from tests.faults.conftest import Bench
from tests.faults.kills import Killer

pytestmark = [pytest.mark.promise("P1", "P2", "P6"), pytest.mark.faults, pytest.mark.timeout(240)]


def test_twelve_jobs_survive_twelve_random_kills(make_oracle: Bench) -> None:
    seed = int(os.environ.get("FAULTS_SEED") or random.randrange(10**6))
    print(f"FAULTS_SEED={seed}")
    killer = Killer(make_oracle(), seed)
    killer.round(jobs=12, kills=12, pause_seconds=0.6, bytes_per_second=60_000)

    assert killer.oracle.final_verdict(seconds=120) == []
    failed = [job for job in killer.oracle.record.jobs().values() if job.status != "completed"]
    assert len(failed) <= (killer.killed["attempt"] + killer.killed["ffmpeg"]) // 3, killer.killed
    assert {job.error_code for job in failed} <= {"poisoned", "internal_error"}
