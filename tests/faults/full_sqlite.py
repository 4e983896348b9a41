"""Somebody else holds SQLite's lock: reads go on, writes are told to come back, and nothing is lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest

from tests.faults.conftest import Bench
from tests.faults.oracles import Oracle
from tests.faults.report import say
from tests.faults.test_postgres import accepts
from tests.product import wait_until

pytestmark = [pytest.mark.promise("P8"), pytest.mark.faults, pytest.mark.timeout(180)]


def test_a_lock_of_fifteen_seconds_is_told_in_time_and_loses_nothing(make_oracle: Bench) -> None:
    """P8."""
    oracle = make_oracle()
    for number in range(4):
        oracle.submit(f"/slow/30000/item/{number}.mp4")
    wait_until(lambda: oracle.record.counts()["running"] == 4, 20)
    with locked(oracle, 15) as holder:
        reads = [timed(oracle.product.api, "GET") for _ in range(10)]
        writes = [timed(oracle.product.api, "POST", oracle.origin.url("/item/50.mp4")) for _ in range(2)]
        assert holder.is_alive()
    began = time.monotonic()
    wait_until(lambda: accepts(oracle), 15, what="an accepted submission")
    normal, slowest = time.monotonic() - began, max(seconds for _, seconds in reads + writes)
    say("P8", f"reads {slowest_of(reads):.2f} s, writes {slowest_of(writes):.2f} s; normal after {normal:.2f} s")

    assert {answer.status_code for answer, _ in reads} == {200}
    assert {(answer.status_code, answer.headers["Retry-After"] != "") for answer, _ in writes} == {(503, True)}
    assert slowest < 5
    assert oracle.final_verdict(seconds=90) == []
    assert oracle.record.counts() == {"completed": 5}


@contextmanager
def locked(oracle: Oracle, seconds: float) -> Iterator[threading.Thread]:
    is_held = threading.Event()
    holder = threading.Thread(target=hold_the_lock, args=(oracle, seconds, is_held))
    holder.start()
    assert is_held.wait(20)
    yield holder
    holder.join()


def hold_the_lock(oracle: Oracle, seconds: float, is_held: threading.Event) -> None:
    path = oracle.product.data_dir / "mediadl.sqlite3"
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        is_held.set()
        time.sleep(seconds)
        connection.execute("ROLLBACK")


def timed(api: httpx.Client, method: str, url: str = "") -> tuple[httpx.Response, float]:
    began = time.monotonic()
    answer = api.request(method, "/download", json={"url": url} if url else None)
    return answer, time.monotonic() - began


def slowest_of(answers: list[tuple[httpx.Response, float]]) -> float:
    return max(seconds for _, seconds in answers)
