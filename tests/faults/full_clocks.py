"""A clock is set hours forward and back while jobs run: none is lost, none is doubled, no file goes early."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.clocks import Clock
from tests.faults.conftest import IS_POSTGRES, Bench
from tests.faults.nodes import attempts, times_lost, two_nodes
from tests.faults.report import say
from tests.product import wait_until

pytestmark = [pytest.mark.promise("P12", "P16"), pytest.mark.faults, pytest.mark.timeout(300)]

# Two rounds of the sweep, and more than a lease.
LONG_SECONDS = 25


@pytest.mark.skipif(not IS_POSTGRES, reason="on SQLite there is one node, and its clock is the database's")
def test_a_node_whose_clock_is_wrong_does_no_harm(make_oracle: Bench, tmp_path: Path) -> None:
    """Times come from the database's clock, so that the other node and the jobs notice nothing."""
    clock = Clock(tmp_path)
    first, second = two_nodes(make_oracle, clock.environment)
    kept = second.submit("/item/900.mp4", retention_hours=1)
    first.product.wait_for(kept)
    for number, offset in enumerate(("+3h", "-3h", "+0")):
        clock.set(offset)
        jobs = [(first, second)[n % 2].submit(f"/slow/12000/item/{number}{n}.mp4") for n in range(8)]
        began = time.monotonic()
        wait_until(lambda: first.record.counts()["running"] == 8, 60, what=f"a start of all jobs at {offset}")
        say("P16", f"clock {offset}: all jobs running after {time.monotonic() - began:.1f} s")
        for job in jobs:
            assert first.product.wait_for(job, seconds=90)["status"] == "completed"

    assert first.final_verdict() == []
    assert (attempts(first), times_lost(first)) == ({1}, 0)
    assert first.record.rows("SELECT count(*) FROM downloads_mediafile WHERE deleted_at IS NOT NULL") == [(0,)]


def test_a_clock_that_is_set_under_running_jobs_costs_none_of_them(make_oracle: Bench, tmp_path: Path) -> None:
    """Every process of the one node sees it. On SQLite leases lapse with it, and the jobs run again."""
    clock = Clock(tmp_path)
    oracle = make_oracle(clock.environment)
    for number, offset in enumerate(("+3h", "+0")):
        jobs = [oracle.submit(f"/slow/10000/item/{number}{n}.mp4", retention_hours=72) for n in range(4)]
        wait_until(lambda: oracle.record.counts()["running"] == 4, 20)
        clock.set(offset)
        time.sleep(LONG_SECONDS)
        assert oracle.product.api.get("/download").status_code == 200
        for job in jobs:
            assert oracle.product.wait_for(job, seconds=120)["status"] == "completed"
    say("P16", f"clock +3h and back: jobs lost to a lapsed lease {times_lost(oracle)}")

    assert oracle.final_verdict() == []
    assert "does not answer" not in oracle.product.log()
    assert times_lost(oracle) == 0 or not IS_POSTGRES
