"""P16: two whole products share one PostgreSQL."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Bench
from tests.faults.nodes import times_lost, two_nodes
from tests.faults.oracles import Oracle
from tests.faults.report import say
from tests.product import wait_until

pytestmark = [pytest.mark.promise("P16"), pytest.mark.faults, pytest.mark.timeout(240)]


def stored(oracle: Oracle) -> int:
    return len(list((oracle.product.data_dir / "files").iterdir()))


def test_two_nodes_on_one_database_run_each_job_once(make_oracle: Bench) -> None:
    first, second = two_nodes(make_oracle)
    for number in range(30):
        (first, second)[number % 2].submit(f"/slow/150000/item/{number}.mp4")

    assert first.final_verdict(seconds=120) == []
    assert first.record.counts() == {"completed": 30}
    again = [history for history in first.record.histories().values() if history[-1][1] > 1]
    assert again == []
    say("P16", f"30 jobs, {stored(first)} and {stored(second)} of them by each node, each once")
    assert stored(first) + stored(second) == 30
    assert min(stored(first), stored(second)) > 0


def test_the_jobs_of_a_node_that_is_gone_are_run_by_the_other(make_oracle: Bench) -> None:
    first, second = two_nodes(make_oracle)
    for number in range(8):
        first.submit(f"/slow/15000/item/{number}.mp4")
    wait_until(lambda: first.record.counts()["running"] == 8, 30)
    second.product.kill_tree()
    # Its disk is gone with it, and no work is left there for anybody to tidy.
    first.data_dirs.remove(second.product.data_dir)

    assert first.final_verdict(seconds=120) == []
    assert first.record.counts() == {"completed": 8}
    assert times_lost(first) == 4
