from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from downloads.engine import usage


@pytest.fixture
def shell() -> Iterator[subprocess.Popen[bytes]]:
    """With a child of its own, which has told that it is there."""
    command = ["sh", "-c", "sleep 600 & echo; wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        for child in usage.descendants(process.pid):
            os.kill(child, signal.SIGKILL)


def test_kernels_that_list_no_children_tell_the_same(
    shell: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = usage.descendants(shell.pid)
    monkeypatch.setattr(usage, "_kernel_lists_children", lambda: False)
    assert len(listed) == 1
    assert usage.descendants(shell.pid) == listed


def test_who_is_gone_has_nothing(shell: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert usage.is_alive(shell.pid)
    assert not usage.is_alive(gone.pid)
    assert usage.descendants(gone.pid) == []
    assert usage.resident_bytes([gone.pid]) == 0
