"""PostgreSQL crashes, hangs up, and is away for half a minute."""

from __future__ import annotations

import time

import pytest

from tests.faults.conftest import Bench
from tests.faults.report import say
from tests.faults.test_postgres import accepts, while_away
from tests.postgres import ThrowawayPostgres
from tests.product import wait_until

pytestmark = [pytest.mark.promise("P8"), pytest.mark.faults, pytest.mark.timeout(240)]

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


def test_half_a_minute_without_a_database_loses_nothing(make_oracle: Bench, server: ThrowawayPostgres) -> None:
    """P8."""
    oracle = make_oracle()
    for number in range(8):
        oracle.submit(f"/slow/30000/item/{number}.mp4")
    wait_until(lambda: oracle.record.counts()["running"] == 4, 20)
    answers = while_away(oracle, server, seconds=30)
    back_at = time.monotonic()
    wait_until(lambda: accepts(oracle), 15, every=0.1, what="an accepted submission")
    normal = time.monotonic() - back_at
    slowest = max(seconds for _, _, seconds in answers)
    say("P8", f"{len(answers)} answers of 503, slowest {slowest:.2f} s; normal {normal:.2f} s after its return")

    assert {status for status, _, _ in answers} == {503}
    assert slowest < 5
    assert oracle.final_verdict(seconds=120) == []
    assert oracle.record.counts() == {"completed": 9}


def test_hung_up_connections_cost_no_job(make_oracle: Bench) -> None:
    oracle = make_oracle()
    for number in range(8):
        oracle.submit(f"/slow/60000/item/{number}.mp4")
    for _ in range(6):
        time.sleep(0.7)
        oracle.record.rows(TERMINATE)

    assert oracle.final_verdict(seconds=90) == []
    assert oracle.record.counts() == {"completed": 8}


def test_a_crash_of_the_database_costs_no_job(make_oracle: Bench, server: ThrowawayPostgres) -> None:
    oracle = make_oracle()
    for number in range(6):
        oracle.submit(f"/slow/60000/item/{number}.mp4")
    wait_until(lambda: oracle.record.counts()["running"] >= 4, 20)
    server.restart("immediate")

    assert oracle.final_verdict(seconds=90) == []
    assert oracle.record.counts() == {"completed": 6}
