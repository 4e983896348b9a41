"""Origins that cut, stall, lie, throttle and swamp: each ends in the right code, with bounded time and bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.faults.conftest import Bench
from tests.faults.oracles import Oracle
from tests.origin import Origin
from tests.postgres import ThrowawayPostgres
from tests.product import wait_until

pytestmark = [pytest.mark.promise("P10"), pytest.mark.faults]

SIZE = 158_260


@pytest.fixture(scope="module")
def oracle(
    tmp_path_factory: pytest.TempPathFactory, server: ThrowawayPostgres | None, origin: Origin
) -> Iterator[Oracle]:
    with ExitStack() as stack:
        make = Bench(stack, tmp_path_factory.mktemp("origins"), server, origin)
        yield make(PROGRESS_TIMEOUT_SEC="4", MIN_SPEED_BYTES="1000")


def first_outcome(oracle: Oracle, path: str, **options: Any) -> dict[str, Any]:
    """The job when its first attempt has ended; it is cancelled then, so that it does not come back."""
    job_id = oracle.submit(path, **options)

    def ended() -> dict[str, Any] | None:
        job = oracle.product.job(job_id)
        return job if job["status"] in {"completed", "failed"} or job["error_code"] else None

    job: dict[str, Any] = wait_until(ended, 60, what=f"the end of the first attempt at {path}")
    if job["status"] == "queued":
        oracle.product.api.delete(f"/download/{job_id}")
    return job


def bytes_sent(oracle: Oracle, path: str) -> int:
    return oracle.origin.bytes_sent(path.partition("?")[0])


@pytest.mark.parametrize(
    "path",
    [
        "/cut/50/item/9001.mp4",
        "/cut/99/item/9002.mp4",
        "/cutonce/o/50/item/9003.mp4",
        "/cut/last/item/9004.mp4",
    ],
)
def test_a_cut_is_resumed_within_the_attempt_and_every_byte_is_right(oracle: Oracle, path: str) -> None:
    job = first_outcome(oracle, path)

    assert (job["status"], job["attempt"]) == ("completed", 1)
    assert job["files"][0]["sha256"] == oracle.origin.sha256(path)
    assert bytes_sent(oracle, path) < 3 * SIZE


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/cut/0/item/9011.mp4", "network_error"),
        ("/cut/1/item/9012.mp4", "network_error"),
        ("/norange/cut/50/item/9013.mp4", "network_error"),
        ("/lie/10/item/9014.mp4", "network_error"),
        ("/stall/50/item/9015.mp4", "too_slow"),
        ("/slow/1/item/9017.mp4", "too_slow"),
        ("/status/503/item/9016.mp4", "origin_unavailable"),
    ],
)
def test_a_failure_that_may_pass_is_tried_again_later(oracle: Oracle, path: str, code: str) -> None:
    began = time.monotonic()
    job = first_outcome(oracle, path)

    assert (job["status"], job["error_code"], job["files"]) == ("queued", code, [])
    assert job["next_attempt_at"]
    assert bytes_sent(oracle, path) < 4 * SIZE
    assert time.monotonic() - began < 40


def test_a_length_that_is_too_short_harms_nobody_else(oracle: Oracle) -> None:
    """What comes after the end that was announced belongs to no answer, and least of all to the next."""
    path = "/lie/-1000/item/9018.mp4"
    job = first_outcome(oracle, path)
    following = first_outcome(oracle, "/item/9019.mp4")

    if job["status"] == "completed":
        # Nobody can know that there was more.
        assert job["files"][0]["size_bytes"] == len(oracle.origin.body(path)) - 1000
        oracle.ledger[job["request_id"]] = ""
    assert following["files"][0]["sha256"] == oracle.origin.sha256("/item/9019.mp4")


@pytest.mark.parametrize("code", [429, 503])
def test_an_origin_that_says_when_to_come_back_is_obeyed_and_not_charged(oracle: Oracle, code: int) -> None:
    asked_at = datetime.now(UTC)
    job = first_outcome(oracle, f"/status/{code}/item/9021.mp4?retry_after=90")

    waits = (datetime.fromisoformat(job["next_attempt_at"]) - asked_at).total_seconds()
    assert 90 <= waits <= 100
    [(failures, snoozes)] = oracle.record.rows(
        f"SELECT failures, snoozes FROM downloads_job WHERE url LIKE '%/status/{code}/item/9021.mp4%'"
    )
    assert (failures, snoozes) == (0, 1)


def test_a_page_that_swells_is_refused_for_good(oracle: Oracle) -> None:
    job = first_outcome(oracle, "/gzipbomb")

    assert (job["status"], job["error_code"]) == ("failed", "too_large")
    assert bytes_sent(oracle, "/gzipbomb") < 200_000
    assert oracle.final_verdict() == []


def test_a_file_that_grows_past_its_limit_is_stopped_there(oracle: Oracle) -> None:
    path = "/nolength/slow/2000000/big/30000000.mp4"
    job = first_outcome(oracle, path, max_size_bytes=2_000_000)

    assert (job["status"], job["error_code"]) == ("failed", "too_large")
    assert bytes_sent(oracle, path) < 8_000_000
