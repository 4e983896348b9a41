"""A disk runs out of room or of entries, or turns read-only: jobs wait for it, and the service goes on answering."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import IS_POSTGRES, Bench
from tests.faults.disks import MEBIBYTE, Disk, disk, fill, make_due, product_on, use_up_entries
from tests.faults.oracles import Oracle
from tests.faults.report import say
from tests.product import wait_until

__all__ = ["disk"]

pytestmark = [pytest.mark.promise("P7"), pytest.mark.faults, pytest.mark.timeout(300)]

# Past the patience for a cluster that does not answer.
LONG_SECONDS = 40


@pytest.mark.parametrize("at_once", [4, 10])
def test_ten_jobs_share_a_disk_that_holds_three(
    make_oracle: Bench, disk: Disk, tmp_path: Path, *, at_once: int
) -> None:
    """Ten at once have all of its room between them before any of them is done."""
    disk.make(32 * MEBIBYTE)
    oracle = product_on(make_oracle, disk, tmp_path, WORKERS=str(at_once))
    jobs = [oracle.submit(f"/slow/8000000/big/{8 * MEBIBYTE + number}.mp4") for number in range(10)]
    wait_until(lambda: "storage_full" in error_codes(oracle), 120, every=0.2)
    assert oracle.product.api.get("/download").status_code == 200

    seen: set[str] = set()

    def make_room() -> bool:
        """The jobs that are done are fetched and deleted; the others are told that their time has come."""
        for job_id in jobs:
            if job_id not in seen and oracle.product.job(job_id)["status"] == "completed":
                file = oracle.product.job(job_id)["files"][0]
                assert file["sha256"] == oracle.origin.sha256(oracle.ledger.pop(job_id))
                assert oracle.product.api.delete(f"/download/{job_id}").status_code == 200
                seen.add(job_id)
        make_due(oracle)
        return len(seen) == len(jobs)

    wait_until(make_room, 180, every=1, what="the end of all ten")
    assert oracle.final_verdict() == []


def test_a_disk_without_entries_stops_jobs_and_not_the_service(make_oracle: Bench, disk: Disk, tmp_path: Path) -> None:
    disk.make(64 * MEBIBYTE, entries=400)
    oracle = product_on(make_oracle, disk, tmp_path)
    for number in range(6):
        oracle.submit(f"/slow/40000/item/{number}.mp4")
    wait_until(lambda: oracle.record.counts()["running"] == 4, 30)
    others = use_up_entries(disk.point)
    wait_until(lambda: "storage_full" in error_codes(oracle), 60, every=0.2)

    assert error_codes(oracle) == {"storage_full"}
    assert answers(oracle) == {"list": 200, "submit": 507, "live": 200}
    for path in others:
        path.unlink()
    wait_until(lambda: is_over(oracle), 120, every=1, what="the end of all six")
    assert oracle.record.counts() == {"completed": 6}
    assert oracle.final_verdict() == []


def test_a_disk_that_turns_read_only_stops_jobs_and_not_the_service(
    make_oracle: Bench, disk: Disk, tmp_path: Path
) -> None:
    disk.make(64 * MEBIBYTE)
    oracle = product_on(make_oracle, disk, tmp_path)
    job = oracle.submit("/slow/60000/big/2000000.mp4")
    wait_until(lambda: oracle.product.job(job)["downloaded_bytes"] > 0, 90)
    # Writers that hold files open would make the kernel refuse: this is what an ailing disk does, forced.
    assert oracle.product.api.post(f"/download/{job}/pause").status_code == 200
    wait_until(lambda: disk.turn("ro"), 30, every=0.5, what="a read-only disk")
    assert oracle.product.api.post(f"/download/{job}/resume").status_code == 200
    until = time.monotonic() + LONG_SECONDS
    while time.monotonic() < until:
        assert oracle.product.api.get("/download").status_code == 200
        make_due(oracle)
        time.sleep(5)
    assert (error_codes(oracle), oracle.record.counts()) == ({"storage_full"}, {"queued": 1})
    assert "does not answer" not in oracle.product.log()
    assert disk.turn("rw")
    make_due(oracle)

    assert oracle.product.wait_for(job, seconds=90)["status"] == "completed"
    assert oracle.final_verdict() == []


@pytest.mark.skipif(IS_POSTGRES, reason="the disk of a server is not the product's")
def test_a_database_without_room_is_told_and_loses_nothing(make_oracle: Bench, disk: Disk, tmp_path: Path) -> None:
    """SQLite's own disk, with the files on another."""
    disk.make(16 * MEBIBYTE)
    oracle = make_oracle(DATABASE_URL=f"sqlite:///{disk.point}/database.sqlite3")
    done = oracle.product.wait_for(oracle.submit("/item/1.mp4"))
    for number in range(4):
        oracle.submit(f"/slow/30000/item/{number}0.mp4")
    wait_until(lambda: oracle.record.counts()["running"] == 4, 30)
    [filler] = fill(disk.point)
    found: list[tuple[int, str]] = []
    for number in range(100):
        answer = oracle.product.api.post("/download", json={"url": oracle.origin.url(f"/item/{number}1.mp4")})
        found.append((answer.status_code, answer.headers.get("Retry-After", "")))
        if answer.status_code == 201:
            oracle.ledger[answer.json()["request_id"]] = ""
    reads = {oracle.product.api.get(path).status_code for path in ("/download", f"/download/{done['request_id']}")}
    say("P7", f"100 submissions without room for the database: {sorted(set(found))}")

    assert {status for status, _ in found} <= {201, 503}
    assert (503, "") not in found
    assert 503 in {status for status, _ in found}
    assert reads == {200}
    filler.unlink()
    assert oracle.final_verdict(seconds=120) == []
    assert oracle.record.counts().keys() == {"completed"}


def error_codes(oracle: Oracle) -> set[str]:
    return {job.error_code for job in oracle.record.jobs().values()} - {""}


def answers(oracle: Oracle) -> dict[str, int]:
    api, url = oracle.product.api, oracle.origin.url("/item/99.mp4")
    return {
        "list": api.get("/download").status_code,
        "submit": api.post("/download", json={"url": url}).status_code,
        "live": api.get("/health/live").status_code,
    }


def is_over(oracle: Oracle) -> bool:
    make_due(oracle)
    return oracle.record.is_at_rest()
