"""The long run of random kills: 200 over 100 jobs, unless FAULTS_KILLS and FAULTS_JOBS say otherwise."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.faults.conftest import Bench
from tests.faults.kills import Killer

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]


def test_a_hundred_jobs_survive_two_hundred_random_kills(make_oracle: Bench) -> None:
    seed = int(os.environ.get("FAULTS_SEED") or random.randrange(10**6))
    kills, jobs = int(os.environ.get("FAULTS_KILLS", "200")), int(os.environ.get("FAULTS_JOBS", "100"))
    killer = Killer(make_oracle(), seed)
    began = time.monotonic()
    killer.round(jobs=jobs, kills=kills, pause_seconds=0.6, bytes_per_second=80_000)
    killed_seconds = time.monotonic() - began

    problems = killer.oracle.final_verdict(seconds=300)
    counts = killer.oracle.record.counts()
    print(f"\nseed {seed}: {dict(killer.killed)} in {killed_seconds:.0f} s; {dict(counts)}; {problems}")
    assert problems == []
    failed = [job for job in killer.oracle.record.jobs().values() if job.status != "completed"]
    assert len(failed) <= killer.killed["attempt"] // 3
    assert {job.error_code for job in failed} <= {"poisoned", "worker_lost"}
    assert sum(killer.killed.values()) >= kills * 0.9
