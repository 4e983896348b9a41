"""The same thing is asked for twice, or done by two: the effect is one."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.conftest import Bench
from tests.faults.oracles import Oracle
from tests.product import ROOT, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

SWEEP = "import django; django.setup(); from downloads import sweeping; sweeping.sweep()"


@pytest.mark.promise("P2", "P16")
def test_eight_wake_ups_for_each_job_run_it_once(make_oracle: Bench) -> None:
    oracle = make_oracle(WORKERS="2")
    for number in range(10):
        oracle.submit(f"/slow/150000/item/{number}.mp4")
    doubled = 0
    for _ in range(3):
        doubled += oracle.record.execute(
            "INSERT INTO django_q_ormq (key, payload, lock) "
            "SELECT key, payload, lock FROM django_q_ormq WHERE key = 'download'"
        )

    assert doubled > 10
    assert oracle.final_verdict(seconds=60) == []
    assert {job.attempt for job in oracle.record.jobs().values()} == {1}


@pytest.mark.promise("P16")
def test_four_sweepers_at_once_recover_each_job_once(make_oracle: Bench) -> None:
    oracle = make_oracle()
    for number in range(4):
        oracle.submit(f"/slow/30000/item/{number}.mp4")
    wait_until(lambda: oracle.record.counts()["running"] == 4, 20)
    frozen = oracle.product.freeze("mediadl: download")
    oracle.record.execute("UPDATE downloads_job SET lease_expires_at = '2020-01-01 00:00:00' WHERE status = 'running'")
    sweepers = [sweeper(oracle) for _ in range(4)]
    assert {process.wait(timeout=60) for process in sweepers} == {0}
    oracle.product.thaw(frozen)

    assert oracle.final_verdict(seconds=60) == []
    lost = [[kind for kind, _, _ in history].count("lost") for history in oracle.record.histories().values()]
    assert lost == [1, 1, 1, 1]


@pytest.mark.promise("P9")
def test_fifty_posts_with_one_idempotency_key_are_one_job(make_oracle: Bench) -> None:
    oracle = make_oracle()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: oracle.post("/slow/150000/item/1.mp4", "fifty"), range(50)))

    assert Counter(answer.status_code for answer in answers) == {201: 50}
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count(None) == 1
    assert oracle.post("/item/2.mp4", "fifty").status_code == 422
    assert len(oracle.record.jobs()) == 1
    assert oracle.final_verdict(seconds=60) == []


def sweeper(oracle: Oracle) -> subprocess.Popen[bytes]:
    environment = oracle.product.environment | {"DJANGO_SETTINGS_MODULE": "mediadl.settings"}
    return subprocess.Popen([sys.executable, "-c", SWEEP], cwd=ROOT, env=environment)
