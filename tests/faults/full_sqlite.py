"""Somebody else holds SQLite's lock: requests wait, since each is counted for its limit, and nothing is lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing

import pytest

from tests.faults.conftest import Bench
from tests.faults.oracles import Oracle
from tests.product import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]


def test_a_lock_of_fifteen_seconds_delays_requests_and_loses_nothing(make_oracle: Bench) -> None:
    oracle = make_oracle()
    for number in range(4):
        oracle.submit(f"/slow/30000/item/{number}.mp4")
    wait_until(lambda: oracle.record.counts()["running"] == 4, 20)
    locked = threading.Event()
    holder = threading.Thread(target=hold_the_lock, args=(oracle, 15, locked))
    holder.start()
    locked.wait(10)

    began = time.monotonic()
    oracle.submit("/item/50.mp4")
    assert 10 < time.monotonic() - began < 20
    assert oracle.product.api.get("/download").status_code == 200
    holder.join()

    assert oracle.final_verdict(seconds=60) == []
    assert oracle.record.counts() == {"completed": 5}


def hold_the_lock(oracle: Oracle, seconds: float, locked: threading.Event) -> None:
    path = oracle.product.data_dir / "mediadl.sqlite3"
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        locked.set()
        time.sleep(seconds)
        connection.execute("ROLLBACK")
