"""Nothing is lost and nobody is left behind, whoever dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.origin import Origin
from tests.product import Product, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]
MakeProduct = Callable[..., Product]


def pid_of(product: Product, word: str) -> int:
    return min(pid for pid, command in product.pids().items() if word in command)


def outcome(product: Product, job: dict[str, Any]) -> tuple[str, int]:
    done = product.wait_for(job["request_id"], seconds=90)
    return done["status"], len(done["files"])


@pytest.mark.promise("P1")
def test_six_jobs_survive_the_kill_of_every_process(fresh_product: MakeProduct, origin: Origin) -> None:
    product = fresh_product()
    jobs = [product.submit(origin.url(f"/slow/60000/item/{number}.mp4")) for number in range(6)]
    wait_until(lambda: product.job(jobs[0]["request_id"])["downloaded_bytes"] > 0, 30)
    product.kill_tree()

    product.start()
    for number, job in enumerate(jobs):
        done = product.wait_for(job["request_id"], seconds=90)
        assert done["status"] == "completed"
        assert product.fetch(done["file_url"]).status_code == 200
        assert done["files"][0]["size_bytes"] > 0
        assert done["attempt"] >= 1, number


@pytest.mark.promise("P4")
def test_a_killed_supervisor_leaves_no_process_behind(fresh_product: MakeProduct, origin: Origin) -> None:
    product = fresh_product()
    job = product.submit(origin.url("/slow/20000/clip.mp4"))
    wait_until(lambda: product.job(job["request_id"])["stage"] == "downloading", 30)
    assert len(product.pids()) > 15
    product.kill()

    wait_until(lambda: not product.pids(), 3, what="the end of every process")


@pytest.mark.parametrize("victim", ["mediadl: download", "forkserver", "engine.guard", "mediadl: web"])
def test_a_killed_service_is_back_and_its_jobs_go_on(fresh_product: MakeProduct, origin: Origin, victim: str) -> None:
    product = fresh_product()
    job = product.submit(origin.url("/slow/60000/clip.mp4"))
    wait_until(lambda: product.job(job["request_id"])["downloaded_bytes"] > 0, 30)
    old = pid_of(product, victim)
    os.kill(old, signal.SIGKILL)

    wait_until(lambda: any(victim in command and pid != old for pid, command in product.pids().items()), 15)
    wait_until(product._answers, 15)
    assert outcome(product, job) == ("completed", 1)


@pytest.mark.promise("P5")
def test_a_stop_hands_running_jobs_back_and_a_start_finishes_them(fresh_product: MakeProduct, origin: Origin) -> None:
    product = fresh_product(DRAIN_SECONDS="20")
    job = product.submit(origin.url("/slow/30000/clip.mp4"))
    work = product.data_dir / "work" / job["request_id"]
    wait_until(lambda: any(part.stat().st_size for part in work.rglob("*.part")), 30)

    began = time.monotonic()
    assert product.stop() == 0
    assert time.monotonic() - began < 10
    assert not product.pids()
    assert any(part.stat().st_size for part in work.rglob("*.part"))

    product.start()
    assert product.job(job["request_id"])["status"] in {"queued", "running"}
    assert outcome(product, job) == ("completed", 1)


def test_a_killed_download_process_is_tried_again(fresh_product: MakeProduct, origin: Origin) -> None:
    product = fresh_product()
    job = product.submit(origin.url("/slow/10000/clip.mp4"))
    wait_until(lambda: product.job(job["request_id"])["downloaded_bytes"] > 0, 30)
    for pid in product.pids():
        if product.works_on(pid, job["request_id"]):
            os.kill(pid, signal.SIGKILL)

    found = wait_until(lambda: (now := product.job(job["request_id"]))["status"] == "queued" and now, 10)
    assert found["error_code"] == "internal_error"
    assert found["next_attempt_at"]


@pytest.mark.promise("P16")
def test_a_frozen_worker_loses_its_job_and_cannot_publish(fresh_product: MakeProduct, origin: Origin) -> None:
    product = fresh_product(WORKERS="2")
    job = product.submit(origin.url("/slow/8000/clip.mp4"))
    wait_until(lambda: product.job(job["request_id"])["downloaded_bytes"] > 0, 30)
    frozen = product.freeze("mediadl: download")
    try:
        wait_until(lambda: product.job(job["request_id"])["status"] == "queued", 45)
    finally:
        product.thaw(frozen)

    done = product.wait_for(job["request_id"], seconds=90)
    assert (done["status"], len(done["files"])) == ("completed", 1)
