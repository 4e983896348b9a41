"""P1, P2, P16: an upgrade while downloads run: old workers finish beside the new schema, and hand over to new ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import Bench
from tests.faults.earlier import Earlier, earlier_code
from tests.faults.nodes import SECRET_KEY
from tests.faults.oracles import Oracle
from tests.faults.report import say
from tests.product import wait_until
from tests.project.tree import ROOT

pytestmark = [pytest.mark.promise("P1", "P2", "P16"), pytest.mark.faults, pytest.mark.timeout(300)]


def submit(oracle: Oracle, path: str, count: int) -> set[str]:
    return {oracle.submit(path.format(number)) for number in range(count)}


def applied(oracle: Oracle) -> set[str]:
    rows = oracle.record.rows("SELECT app, name FROM django_migrations")
    return {f"{app}/migrations/{name}.py" for app, name in rows}


def ours() -> set[str]:
    return {str(path.relative_to(ROOT)) for path in ROOT.glob("*/migrations/0*.py")}


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    """What this is about: without it nothing is shown. A copy without its history is told so, and CI fails."""
    try:
        return earlier_code(tmp_path / "earlier")
    except LookupError as missing:
        if os.environ.get("REQUIRE_PROGRAMS"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def test_old_workers_finish_on_the_new_schema_and_hand_over(make_oracle: Bench, earlier: Earlier) -> None:
    say("P16, an upgrade", earlier)
    old = make_oracle(SECRET_KEY=SECRET_KEY, NODE_NAME="old", is_started=False)
    old.product.root = earlier.root
    old.product.start().wait_for_engine()
    database = old.product.environment["DATABASE_URL"]
    assert ours() - applied(old) == earlier.new_migrations

    running = submit(old, "/slow/15000/item/{}.mp4", 4)
    waiting = submit(old, "/item/{}.mp4", 8)
    wait_until(lambda: old.record.counts()["running"] == 4, 30)

    new = make_oracle(SECRET_KEY=SECRET_KEY, NODE_NAME="new", DATABASE_URL=database, is_started=False)
    new.ledger = old.ledger
    new.product.start("--only", "web")
    assert ours() <= applied(new)
    assert old.record.counts()["running"] == 4, "the migration came too late to meet running downloads"
    later = submit(old, "/item/2{}.mp4", 4) | submit(new, "/item/3{}.mp4", 4)
    old.rest(120)

    jobs = old.record.jobs()
    assert {jobs[job].status for job in running | waiting | later} == {"completed"}
    assert {job.attempt for job in jobs.values()} == {1}, "the old workers have done it all, undisturbed"
    assert {new.product.job(job)["status"] for job in jobs} == {"completed"}

    handed = submit(new, "/slow/15000/item/4{}.mp4", 4)
    wait_until(lambda: new.record.counts()["running"] == 4, 30)
    new.product.stop()
    new.product.start().wait_for_engine()
    assert old.product.stop() == 0
    # What it had handed over in the middle stays on the disk of a machine that is switched off.
    shutil.rmtree(old.product.data_dir / "work")
    (old.product.data_dir / "work").mkdir()
    new.data_dirs.append(old.product.data_dir)
    assert new.final_verdict(seconds=120) == []
    assert new.record.counts() == {"completed": len(jobs) + len(handed)}
    said = f"{len(jobs)} jobs ended by the old workers beside the new schema, each in one attempt"
    say("P1, an upgrade", f"{said}; {len(handed)} handed to the new ones; 0 lost")
    # Bells of tasks that old workers do not know fail there, and are rung again.
    assert (old.product.deaths, new.product.deaths) == (0, 0)
