from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.enclave import ROOT
from tests.attacks.forays import Enclave
from tests.origin import media_directory

collect_ignore_glob = [] if os.environ.get("ATTACKS") else ["test_long_*.py"]


@pytest.fixture(scope="session")
def enclave() -> Iterator[Enclave]:
    """Fails where namespaces cannot be had: a promise that was not put to the test is not kept."""
    media_directory()
    directory = Path(tempfile.mkdtemp(prefix="enclave"))
    kind = ["--net", "--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net", "--mount"]
    command = ["unshare", *kind, sys.executable, "-m", "tests.attacks.enclave", "world", str(directory)]
    if missing := [name for name in ("unshare", "ip") if not shutil.which(name)]:
        pytest.fail(
            f"The attacks on the egress guard need {' and '.join(missing)} (apt-get install iproute2 util-linux)"
        )
    with (directory / "errors").open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    assert process.stdin
    assert process.stdout
    try:
        line = process.stdout.readline()
        if not line:
            pytest.fail(f"No network namespaces: {(directory / 'errors').read_text()}")
        yield Enclave(directory=directory, ports=json.loads(line))
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)
        shutil.rmtree(directory, ignore_errors=True)
