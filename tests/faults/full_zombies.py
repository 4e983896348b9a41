"""A worker that everybody took for dead comes back."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.oracles import Oracle
from tests.faults.test_crash_points import arm, fired, item
from tests.product import wait_until

pytestmark = [pytest.mark.promise("P2", "P16"), pytest.mark.faults, pytest.mark.timeout(300)]


def test_a_worker_frozen_after_its_rename_cannot_publish_beside_its_successor(shared_oracle: Oracle) -> None:
    """The zombie of P16: it has moved its files and wakes when another attempt has published."""
    before = stopped(shared_oracle)
    armed = arm(shared_oracle, "publish.after_rename", signal.SIGSTOP)
    job = shared_oracle.submit(item())
    fired(armed)
    [zombie] = wait_until(lambda: stopped(shared_oracle) - before, 5)
    began = time.monotonic()
    done = shared_oracle.product.wait_for(job, seconds=60)
    took = time.monotonic() - began
    signal.pidfd_send_signal(open_pid(zombie), signal.SIGCONT)

    assert (done["status"], done["attempt"]) == ("completed", 2)
    assert shared_oracle.verdict() == []
    assert took < 45


def stopped(oracle: Oracle) -> set[int]:
    return {pid for pid in oracle.product.pids() if state(pid) == "T"}


def state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def open_pid(pid: int) -> int:
    return os.pidfd_open(pid)
