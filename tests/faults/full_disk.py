"""A small disk runs full, and turns read-only: jobs that need room wait for it, and the service goes on answering."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import IS_POSTGRES, Bench
from tests.faults.oracles import Oracle
from tests.product import wait_until

pytestmark = [pytest.mark.promise("P7"), pytest.mark.faults, pytest.mark.timeout(300)]

MEBIBYTE = 1024**2
Disk = Callable[[int], Path]


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"these tests mount a small file system, as root or below `unshare -rm`: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """`disk(bytes)` is the mount point of a file system of that size."""
    point = tmp_path / "disk"
    point.mkdir()

    def make(size_bytes: int) -> Path:
        mount("-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(point))
        return point

    yield make
    subprocess.run(["umount", "--lazy", str(point)], capture_output=True, check=False)


def started(make_oracle: Bench, disk: Path, tmp_path: Path) -> Oracle:
    """The data lie on the disk, the database does not."""
    environment = {"STORAGE_RESERVE_BYTES": "0", "SECRET_KEY": "kept-apart-from-the-small-disk-0123456789abcdefghij"}
    if not IS_POSTGRES:
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path}/database.sqlite3"
    oracle = make_oracle(data_dir=disk, is_started=False, **environment)
    oracle.product.log_path = tmp_path / "product.log"
    oracle.product.start()
    return oracle


def make_due(oracle: Oracle) -> None:
    oracle.record.execute("UPDATE downloads_job SET eligible_at = created_at WHERE status = 'queued'")


def test_ten_jobs_share_a_disk_that_holds_three(make_oracle: Bench, disk: Disk, tmp_path: Path) -> None:
    oracle = started(make_oracle, disk(32 * MEBIBYTE), tmp_path)
    jobs = [oracle.submit(f"/slow/8000000/big/{8 * MEBIBYTE + number}.mp4") for number in range(10)]
    wait_until(lambda: "storage_full" in {job.error_code for job in oracle.record.jobs().values()}, 120, every=0.2)
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


def test_a_disk_that_turns_read_only_stops_jobs_and_not_the_service(
    make_oracle: Bench, disk: Disk, tmp_path: Path
) -> None:
    point = disk(64 * MEBIBYTE)
    oracle = started(make_oracle, point, tmp_path)
    job = oracle.submit("/slow/60000/big/2000000.mp4")
    wait_until(lambda: oracle.product.job(job)["downloaded_bytes"] > 0, 90)
    # Writers that hold files open would make the kernel refuse: this is what an ailing disk does, forced.
    assert oracle.product.api.post(f"/download/{job}/pause").status_code == 200
    wait_until(lambda: remounted(point, "ro"), 30, every=0.5, what="a read-only disk")
    assert oracle.product.api.post(f"/download/{job}/resume").status_code == 200
    wait_until(lambda: oracle.product.api.get("/download").status_code == 200, 10)
    assert remounted(point, "rw")
    make_due(oracle)

    assert oracle.product.wait_for(job, seconds=90)["status"] == "completed"
    assert oracle.final_verdict() == []


def remounted(point: Path, mode: str) -> bool:
    done = subprocess.run(["mount", "-o", f"remount,{mode}", str(point)], capture_output=True, check=False)
    return done.returncode == 0
