"""The long run of random kills: 200 over 100 jobs, unless FAULTS_KILLS and FAULTS_JOBS say otherwise."""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from tests.faults.conftest import Bench
from tests.faults.kills import WEIGHTS, Killer
from tests.faults.report import say

pytestmark = [pytest.mark.promise("P1", "P2", "P6"), pytest.mark.faults, pytest.mark.timeout(1800)]


# How often a job was tried again before it was given up: internal_error is that of one whose ffmpeg was killed.
ENOUGH = {"worker_lost": 9, "poisoned": 2, "internal_error": 4}


def test_a_hundred_jobs_survive_two_hundred_random_kills(make_oracle: Bench) -> None:
    seed = int(os.environ.get("FAULTS_SEED") or random.randrange(10**6))
    kills, jobs = int(os.environ.get("FAULTS_KILLS", "200")), int(os.environ.get("FAULTS_JOBS", "100"))
    killer = Killer(make_oracle(), seed)
    began = time.monotonic()
    killer.round(jobs=jobs, kills=kills, pause_seconds=0.6, bytes_per_second=80_000)
    killer.kill_those_spared()
    killed_seconds = time.monotonic() - began

    problems = killer.oracle.final_verdict(seconds=600 + jobs)
    counts = killer.oracle.record.counts()
    say("P1", f"seed {seed}: {dict(killer.killed)} in {killed_seconds:.0f} s; {dict(counts)}; {problems}")
    assert problems == []
    failed = {job.id: job.error_code for job in killer.oracle.record.jobs().values() if job.status != "completed"}
    assert set(failed.values()) <= set(ENOUGH)
    for job_id, code in failed.items():
        # Such as a job that was killed in ten attempts, which is when one gives up.
        ended = Counter(kind for kind, _, _ in killer.oracle.record.histories()[job_id])
        assert ended["lost" if code == "worker_lost" else "retrying"] >= ENOUGH[code]
    # The slower the machine, the more of the kills meet the same job.
    assert len(failed) <= jobs // 10 + (killer.killed["attempt"] + killer.killed["ffmpeg"]) // 3
    assert killer.killed["busy slot"] >= kills // 20
    assert set(killer.killed) >= set(WEIGHTS)
    assert sum(killer.killed.values()) >= kills * 0.9
