"""The bounds of docs/promises.md, measured: each test prints its figure."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import Bench
from tests.faults.kills import ROLES, is_attempt
from tests.faults.oracles import Oracle
from tests.faults.report import say
from tests.product import Product, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


def downloading(oracle: Oracle, *paths: str) -> list[str]:
    """Jobs that have all got bytes, and are far from having them all."""
    jobs = [oracle.submit(path) for path in paths]
    wait_until(lambda: all(oracle.product.job(job)["downloaded_bytes"] > 0 for job in jobs), 60, every=0.1)
    return jobs


def four(bytes_per_second: int) -> list[str]:
    return [f"/slow/{bytes_per_second}/big/{2_000_000 + number}.mp4" for number in range(4)]


def attempts(product: Product) -> list[int]:
    return [pid for pid in product.pids() if is_attempt(product, pid)]


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def pids(product: Product, role: str) -> list[int]:
    return [pid for pid, command in product.pids().items() if ROLES[role](product, pid, command)]


@pytest.mark.promise("P3", "P4")
def test_a_dead_worker_takes_its_download_along_and_nothing_is_shown_running(make_oracle: Bench) -> None:
    """P3 and P4: every slot of the node is killed at once."""
    oracle = make_oracle()
    downloading(oracle, *four(20_000))
    old, slots = attempts(oracle.product), pids(oracle.product, "slot")
    assert len(old) >= 4
    began = time.monotonic()
    for pid in slots:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in old), 5, every=0.01)
    gone = time.monotonic() - began
    wait_until(lambda: all("lost" in kinds(history) for history in oracle.record.histories().values()), 60)
    shown = time.monotonic() - began
    say("P4, its processes are gone after", f"{gone:.2f} s")
    say("P3, shown as queued after", f"{shown:.2f} s")

    assert gone < 2
    assert shown < 60


def kinds(history: list[tuple[str, int, str]]) -> list[str]:
    return [kind for kind, _, _ in history]


@pytest.mark.promise("P5")
@pytest.mark.parametrize("patience", [0, 1, 5, None])
def test_a_stop_hands_jobs_back_however_soon_it_is_followed_by_a_kill(
    make_oracle: Bench, patience: float | None
) -> None:
    """P5: SIGTERM, and SIGKILL after so many seconds."""
    oracle = make_oracle()
    downloading(oracle, *four(100_000))
    process = oracle.product.process
    assert process is not None
    began = time.monotonic()
    process.terminate()
    with contextlib.suppress(Exception):
        process.wait(timeout=60 if patience is None else max(patience, 0.001))
    took = time.monotonic() - began
    oracle.product.kill_tree()
    statuses = oracle.record.counts()
    say(f"P5, SIGKILL after {patience} s", f"ended after {took:.1f} s, {dict(statuses)}")
    if patience is None:
        assert took < 10
        assert statuses == {"queued": 4}
    oracle.product.start()

    assert oracle.final_verdict(seconds=120) == []
    charged = oracle.record.rows("SELECT sum(failures), sum(crashes) FROM downloads_job")
    assert charged == [(0, 0)]


@pytest.mark.promise("P11")
def test_cancelling_is_quick_and_takes_the_bytes_along(make_oracle: Bench) -> None:
    """P11, ten times."""
    oracle = make_oracle()
    ended: list[float] = []
    cleared: list[float] = []
    for number in range(10):
        [job_id] = downloading(oracle, f"/slow/20000/big/{2_000_000 + number}.mp4")
        began = time.monotonic()
        oracle.product.api.delete(f"/download/{job_id}")
        wait_until(lambda: not attempts(oracle.product), 5, every=0.01)
        ended.append(time.monotonic() - began)
        wait_until(lambda: not any((oracle.product.data_dir / "work").iterdir()), 60, every=0.02)
        cleared.append(time.monotonic() - began)
    say("P11, children gone and bytes gone after at most", f"{max(ended):.2f} s, {max(cleared):.2f} s")

    assert max(ended) < 1
    assert max(cleared) < 60


@pytest.mark.promise("P11")
def test_cancelling_what_does_not_run_takes_the_bytes_along_too(make_oracle: Bench) -> None:
    """P11: a job that waits for its time, one that is paused, one that waits for its retry."""
    oracle = make_oracle()
    later = oracle.submit("/item/1.mp4", start_after="2100-01-01T00:00:00Z")
    [paused] = downloading(oracle, "/slow/20000/big/2000000.mp4")
    oracle.product.api.post(f"/download/{paused}/pause")
    retrying = oracle.submit("/norange/cut/50/item/2.mp4")
    wait_until(lambda: oracle.product.job(retrying)["error_code"], 60)
    work = oracle.product.data_dir / "work"
    assert {paused, retrying} <= {path.name for path in work.iterdir()}
    began = time.monotonic()
    for job_id in (later, paused, retrying):
        oracle.product.api.delete(f"/download/{job_id}")
        assert oracle.product.job(job_id)["status"] == "cancelled"
    wait_until(lambda: not any(work.iterdir()), 60, every=0.1, what="an empty work directory")
    say("P11, bytes of paused and waiting jobs gone after", f"{time.monotonic() - began:.1f} s")

    assert oracle.final_verdict() == []


@pytest.mark.promise("P12")
def test_files_go_at_their_expiry_and_not_before(make_oracle: Bench) -> None:
    """P12."""
    oracle = make_oracle()
    jobs = [oracle.submit(f"/item/{number}.mp4", retention_hours=(10 + number) / 3600) for number in range(8)]
    expiry = {}
    for job_id in jobs:
        done = oracle.product.wait_for(job_id)
        expiry[job_id] = datetime.fromisoformat(done["deletion_time"])
    late: dict[str, timedelta] = {}

    def all_gone() -> bool:
        for job_id in set(jobs) - late.keys():
            if not (oracle.product.data_dir / "files" / job_id).exists():
                late[job_id] = datetime.now(UTC) - expiry[job_id]
        return len(late) == len(jobs)

    wait_until(all_gone, 120, every=0.05)
    say("P12, bytes gone after their expiry", f"{min(late.values())} to {max(late.values())}")
    assert min(late.values()) >= timedelta(0)
    assert max(late.values()) < timedelta(seconds=60)


@pytest.mark.promise("P17")
def test_an_interrupted_download_goes_on_where_it_was(make_oracle: Bench) -> None:
    """P17: everything is killed half way through a file of 8 MB."""
    oracle = make_oracle()
    path, size = "/slow/500000/big/8000000.mp4", 8_000_000
    job_id = oracle.submit(path)
    wait_until(lambda: oracle.product.job(job_id)["downloaded_bytes"] > size // 2, 60)
    oracle.product.kill_tree()
    oracle.product.start()

    assert oracle.final_verdict(seconds=90) == []
    again = oracle.origin.bytes_sent(path) - size
    say("P17, bytes fetched again", f"{again} of {size} ({100 * again / size:.1f} %)")
    assert again <= size * 0.1


@pytest.mark.promise("P15")
def test_a_long_queue_costs_the_web_process_no_memory(make_oracle: Bench) -> None:
    """P15."""
    oracle = make_oracle(MAX_QUEUED_PER_OWNER="20000", WEB_WORKERS="1")
    [web] = pids(oracle.product, "web")
    count = int(os.environ.get("FAULTS_QUEUED", "10000"))

    def post(number: int) -> int:
        body = {"url": oracle.origin.url(f"/item/{number}.mp4"), "start_after": "2100-01-01T00:00:00Z"}
        return oracle.product.api.post("/download", json=body).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(post, range(400))) == {201}
        before = resident_bytes(web)
        assert set(pool.map(post, range(400, 400 + count))) == {201}
    for _ in range(50):
        oracle.product.api.get("/download")
    grown = resident_bytes(web) - before
    say("P15, growth of the web process", f"{grown / 1e6:.1f} MB with {count} queued")
    assert grown < 50_000_000


def resident_bytes(pid: int) -> int:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


@pytest.mark.promise("P10")
def test_a_stream_without_end_is_ended_by_its_time(make_oracle: Bench) -> None:
    oracle = make_oracle()
    job_id = oracle.submit("/endless.m3u8", timeout_sec=60)
    began = time.monotonic()
    job = wait_until(lambda: (now := oracle.product.job(job_id))["error_code"] and now, 90, every=0.5)
    say("P10, a stream without end, of 60 s,", f"ended after {time.monotonic() - began:.0f} s with {job['error_code']}")

    assert job["error_code"] == "timeout"
    oracle.product.api.delete(f"/download/{job_id}")
