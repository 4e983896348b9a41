"""The disk of the media is not mounted: nothing is written in its place, the service answers, and goes on later."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Bench
from tests.faults.disks import MEBIBYTE, Disk, disk, product_on
from tests.faults.full_disk import LONG_SECONDS
from tests.product import wait_until

__all__ = ["disk"]

pytestmark = [pytest.mark.promise("P7"), pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.mark.parametrize("is_required", [False, True], ids=["an empty mount point", "a mount point with look-alikes"])
def test_a_disk_that_goes_away_is_waited_for(
    make_oracle: Bench, disk: Disk, tmp_path: Path, *, is_required: bool
) -> None:
    shadow = disk.point / "data"
    if is_required:
        for name in ("files", "work", "run"):
            (shadow / name).mkdir(parents=True)
    before = below(disk.point)
    disk.make(64 * MEBIBYTE)
    oracle = product_on(make_oracle, disk, tmp_path, REQUIRE_MOUNT=str(disk.point) if is_required else "")
    done = oracle.product.wait_for(oracle.submit("/item/900.mp4"))
    jobs = [oracle.submit(f"/slow/5000/item/{number}.mp4") for number in range(6)]
    wait_until(lambda: sum(oracle.product.job(job)["downloaded_bytes"] > 0 for job in jobs) == 4, 60)
    disk.take_away()
    later = oracle.submit("/item/901.mp4")
    statuses: set[int] = set()
    until = time.monotonic() + LONG_SECONDS
    while time.monotonic() < until:
        statuses |= {oracle.product.api.get(path).status_code for path in ("/download", f"/download/{later}")}
        assert below(disk.point) == before
        time.sleep(0.5)
    health = oracle.product.api.get("/health").json()["checks"]

    assert statuses == {200}
    assert [check["status"] for check in health if check["name"] == "storage"] == ["error"]
    if not is_required:
        assert oracle.product.fetch(done["file_url"]).status_code == 503
    assert oracle.record.counts() == {"completed": 1, "queued": 7}
    disk.bring_back()
    assert oracle.final_verdict(seconds=180) == []
    assert oracle.record.counts() == {"completed": 8}
    assert oracle.record.rows("SELECT sum(failures), sum(crashes), sum(snoozes) FROM downloads_job") == [(0, 0, 0)]
    assert oracle.product.fetch(done["file_url"]).status_code == 200
    assert "does not answer" not in oracle.product.log()


def test_a_start_without_the_disk_is_refused_and_leaves_nothing(make_oracle: Bench, disk: Disk, tmp_path: Path) -> None:
    oracle = product_on(make_oracle, disk, tmp_path, is_started=False, REQUIRE_MOUNT=str(disk.point))
    with pytest.raises(RuntimeError, match="REQUIRE_MOUNT: nothing is mounted at"):
        oracle.product.start()
    assert below(disk.point) == []

    disk.make(64 * MEBIBYTE)
    oracle.product.start().wait_for_engine()
    assert oracle.product.wait_for(oracle.submit("/item/1.mp4"))["status"] == "completed"
    assert oracle.final_verdict() == []


def below(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*"))
