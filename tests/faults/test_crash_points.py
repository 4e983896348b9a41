"""A process dies between two steps, one after the other, and nothing comes of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import MakeOracle
from tests.faults.kills import ROLES
from tests.faults.oracles import Oracle
from tests.origin import Origin
from tests.product import wait_until

pytestmark = [pytest.mark.promise("P1", "P2", "P6"), pytest.mark.faults]

WORKER_POINTS = [
    "claim.before_commit",
    "claim.after_commit",
    "spawn.before",
    "spawn.after",
    "download.first_byte",
    "download.half",
    "publish.before_rename",
    "publish.after_rename",
    "publish.before_commit",
    # Its wake-up was acknowledged before: nothing comes after this but the next look at the table.
    "publish.after_commit",
    "cleanup.before",
    "cleanup.after",
]
# Two formats that ffmpeg merges.
MERGE_POINTS = ["stage.downloading", "download.between_formats", "stage.postprocessing", "stage.publishing"]
_numbers = itertools.count()


def arm(oracle: Oracle, point: str, number: int | None = None) -> Path:
    armed = Path(oracle.product.environment["MEDIADL_CRASH_AT"]) / point
    armed.write_text(str(int(number)) if number else "")
    return armed


def item(bytes_per_second: int = 100_000) -> str:
    """No two jobs have the same bytes."""
    return f"/slow/{bytes_per_second}/item/{next(_numbers)}.mp4"


def fired(armed: Path, seconds: float = 30) -> None:
    wait_until(lambda: not armed.exists(), seconds, what=f"reaching {armed.name}")


@pytest.mark.parametrize("point", WORKER_POINTS)
def test_a_worker_that_dies_at_a_step_costs_nothing(shared_oracle: Oracle, point: str) -> None:
    armed = arm(shared_oracle, point)
    jobs = [shared_oracle.submit(item()) for _ in range(3)]
    fired(armed)

    assert shared_oracle.verdict() == []
    assert {shared_oracle.record.jobs()[job].status for job in jobs} == {"completed"}


@pytest.mark.parametrize("point", MERGE_POINTS)
def test_a_worker_that_dies_between_two_formats_or_at_their_merge_costs_nothing(
    shared_oracle: Oracle, point: str
) -> None:
    armed = arm(shared_oracle, point)
    job = shared_oracle.submit(f"/slow/40000/dash/manifest.mpd?n={next(_numbers)}")
    # What ffmpeg makes of them lies nowhere at the origin.
    shared_oracle.ledger[job] = ""
    fired(armed)

    assert shared_oracle.verdict() == []
    done = shared_oracle.product.job(job)
    assert (done["status"], done["attempt"], len(done["files"])) == ("completed", 2, 1)


def test_a_sweeper_that_dies_over_the_jobs_of_the_dead_leaves_them_to_the_next(shared_oracle: Oracle) -> None:
    jobs = [shared_oracle.submit(item(20_000)) for _ in range(4)]
    wait_until(lambda: all(shared_oracle.record.jobs()[job].status == "running" for job in jobs), 30)
    armed = arm(shared_oracle, "recover.one")
    for pid, command in shared_oracle.product.pids().items():
        if ROLES["busy slot"](shared_oracle.product, pid, command):
            os.kill(pid, signal.SIGKILL)
    fired(armed)

    assert shared_oracle.verdict() == []
    assert {shared_oracle.record.jobs()[job].status for job in jobs} == {"completed"}


def test_a_worker_that_dies_while_it_takes_what_is_there_costs_nothing(make_oracle: MakeOracle) -> None:
    oracle, path = make_oracle(DOWNLOAD_REUSE_SECONDS="300"), item()
    oracle.submit(path)
    oracle.rest(60)
    sent = oracle.origin.bytes_sent(path)
    jobs = []
    for point in (point for point in WORKER_POINTS if point.startswith("publish.")):
        armed = arm(oracle, point)
        jobs.append(oracle.submit(path))
        fired(armed)
        oracle.rest(60)

    assert oracle.final_verdict() == []
    assert {oracle.record.jobs()[job].status for job in jobs} == {"completed"}
    assert oracle.origin.bytes_sent(path) == sent, "nothing was fetched again"


@pytest.mark.parametrize("point", ["submit.before_commit", "submit.after_commit"])
def test_a_submission_that_was_not_answered_may_exist_and_then_ends(shared_oracle: Oracle, point: str) -> None:
    before = len(shared_oracle.record.jobs())
    armed = arm(shared_oracle, point)
    with contextlib.suppress(httpx.HTTPError):
        pytest.fail(f"was answered: {shared_oracle.submit(item())}")
    fired(armed)
    wait_until(shared_oracle.product._answers, 20)
    jobs = [shared_oracle.submit(item()) for _ in range(2)]

    assert shared_oracle.verdict() == []
    assert {shared_oracle.record.jobs()[job].status for job in jobs} == {"completed"}
    assert len(shared_oracle.record.jobs()) - before == (3 if point == "submit.after_commit" else 2)


@pytest.mark.promise("P9")
@pytest.mark.parametrize("point", ["submit.before_commit", "idempotency.before_commit", "idempotency.after_commit"])
def test_who_asks_again_with_the_same_key_after_a_crash_has_one_job(shared_oracle: Oracle, point: str) -> None:
    before, path = len(shared_oracle.record.jobs()), item()
    armed = arm(shared_oracle, point)
    with contextlib.suppress(httpx.HTTPError):
        pytest.fail(f"was answered: {shared_oracle.post(path, point)}")
    fired(armed)
    wait_until(shared_oracle.product._answers, 20)
    answer = shared_oracle.post(path, point)

    assert answer.status_code == 201
    assert ("Idempotency-Replayed" in answer.headers) == (point == "idempotency.after_commit")
    assert len(shared_oracle.record.jobs()) - before == 1
    assert shared_oracle.verdict() == []


@pytest.mark.parametrize("point", ["expand.before_commit", "expand.after_chunk"])
def test_a_list_whose_reader_dies_gives_each_entry_once(shared_oracle: Oracle, origin: Origin, point: str) -> None:
    armed = arm(shared_oracle, point)
    wanted = {"url": origin.url(f"/page/playlist?n=5&point={point}"), "skip_downloaded": False}
    batch = shared_oracle.product.api.post("/playlist/download", json=wanted).json()["batch_id"]
    fired(armed)

    def ended() -> bool:
        return bool(shared_oracle.product.api.get(f"/batch/{batch}").json()["completed_at"])

    wait_until(ended, 90, what="the end of the batch")
    found = shared_oracle.product.api.get(f"/batch/{batch}").json()
    files = [shared_oracle.product.job(job["request_id"])["files"] for job in found["jobs"]]
    assert (found["total_urls"], found["completed"]) == (5, 5)
    assert len({file["sha256"] for (file,) in files}) == 5


@pytest.mark.parametrize("point", ["delete.before_commit", "delete.before_bytes"])
def test_a_deletion_that_dies_half_way_leaves_neither_rows_nor_bytes_alone(shared_oracle: Oracle, point: str) -> None:
    job = shared_oracle.submit(item())
    shared_oracle.rest(30)
    armed = arm(shared_oracle, point)
    with contextlib.suppress(httpx.HTTPError):
        pytest.fail(f"was answered: {shared_oracle.product.api.delete(f'/download/{job}')}")
    fired(armed)
    wait_until(shared_oracle.product._answers, 20)
    if point == "delete.before_bytes":
        del shared_oracle.ledger[job]

    assert shared_oracle.verdict() == []
    assert (job in shared_oracle.record.jobs()) == (point == "delete.before_commit")


def test_an_expiry_and_sweeps_that_die_at_each_step_are_made_good(shared_oracle: Oracle) -> None:
    expiring = shared_oracle.submit(item(), retention_hours=0.0005)
    shared_oracle.rest(30)
    for point in ("sweep.begin", "delete.after_bytes", "sweep.end"):
        fired(arm(shared_oracle, point))

    assert shared_oracle.final_verdict() == []
    assert not (shared_oracle.product.data_dir / "files" / expiring).exists()
