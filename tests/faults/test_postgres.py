"""PostgreSQL goes away, crashes and hangs up; the service says so, and loses nothing."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.faults.conftest import Bench
from tests.faults.oracles import Oracle
from tests.postgres import ThrowawayPostgres
from tests.product import wait_until

pytestmark = [pytest.mark.promise("P8"), pytest.mark.faults, pytest.mark.timeout(180)]


def test_a_database_that_is_away_is_told_with_503_and_nothing_is_lost(
    make_oracle: Bench, server: ThrowawayPostgres
) -> None:
    oracle = make_oracle()
    for number in range(4):
        oracle.submit(f"/slow/30000/item/{number}.mp4")
    wait_until(lambda: oracle.record.counts()["running"] == 4, 20)

    answers = while_away(oracle, server, seconds=8)
    back_at = time.monotonic()
    wait_until(lambda: accepts(oracle), 15, what="an accepted submission")

    assert {status for status, _, _ in answers} == {503}
    assert all(retry_after for _, retry_after, _ in answers)
    assert max(seconds for _, _, seconds in answers) < 5
    assert time.monotonic() - back_at < 15
    assert oracle.final_verdict(seconds=90) == []
    assert oracle.record.counts().keys() == {"completed"}


def while_away(oracle: Oracle, server: ThrowawayPostgres, seconds: float) -> list[tuple[int, str, float]]:
    """(status, Retry-After, seconds it took) of requests that need the database."""
    answers: list[tuple[int, str, float]] = []
    server.stop("immediate")
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            began = time.monotonic()
            response = oracle.product.api.get("/download")
            answers.append((response.status_code, response.headers.get("Retry-After", ""), time.monotonic() - began))
            time.sleep(0.3)
    finally:
        server.start()
    return answers


def accepts(oracle: Oracle) -> bool:
    try:
        oracle.submit("/item/77.mp4")
    except (AssertionError, httpx.HTTPError):
        return False
    return True
