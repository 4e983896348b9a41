"""The oracles find what is wrong, and `manage.py storage_audit` finds the same: else their silence proves nothing."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.faults.conftest import Bench
from tests.faults.oracles import Oracle
from tests.product import ROOT

pytestmark = [pytest.mark.promise("P6"), pytest.mark.faults, pytest.mark.timeout(180)]


def test_what_is_wrong_with_rows_and_bytes_is_found_by_both(make_oracle: Bench) -> None:
    oracle = make_oracle()
    for number in range(4):
        oracle.submit(f"/item/{number}.mp4")
    assert oracle.final_verdict() == []
    oracle.product.kill_tree()
    gone, longer, other, untold = (file.key for file in oracle.record.files())
    path_of(oracle, gone).unlink()
    with path_of(oracle, longer).open("ab") as file:
        file.write(b"!")
    content = path_of(oracle, other).read_bytes()
    path_of(oracle, other).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    stray = path_of(oracle, f"{uuid.uuid4()}/1/stray.mp4")
    stray.parent.mkdir(parents=True)
    stray.touch()
    (oracle.product.data_dir / "work" / untold.split("/")[0]).mkdir()
    oracle.record.execute("UPDATE downloads_jobevent SET attempt = 7 WHERE kind = 'completed'")
    promised = str(uuid.uuid4())
    oracle.ledger[promised] = "/item/9.mp4"

    found = "\n".join(oracle.final_verdict(quiet_seconds=0))
    for words in (
        f"{promised} was promised and is lost",
        f"{gone} has a row and no bytes",
        f"{longer} has {len(content) + 1} bytes, its row says",
        f"{other} has other bytes than its row says",
        "belongs to no row",
        "was left behind",
        "attempt 7 says completed while 1 is the one",
    ):
        assert words in found
    audit = storage_audit(oracle)
    assert audit.returncode == 1
    assert "4 files, 1 orphans, 1 missing, 1 damaged, 1 stale work directories" in audit.stdout


def test_a_store_that_is_right_is_called_so_by_both(shared_oracle: Oracle) -> None:
    shared_oracle.submit("/item/5.mp4")
    assert shared_oracle.final_verdict() == []
    assert storage_audit(shared_oracle).returncode == 0


def path_of(oracle: Oracle, key: str) -> Path:
    return oracle.product.data_dir / "files" / key


def storage_audit(oracle: Oracle) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), "storage_audit"]
    return subprocess.run(command, env=oracle.product.environment, capture_output=True, text=True, check=False)
