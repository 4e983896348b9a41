"""The Python client's own tests, against the running product.

In a process of their own: the client's package has the name of the server's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.origin import Origin
from tests.product import API_KEY, ROOT, Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

CLIENT = ROOT / "clients" / "python"


def environment_of(product: Product, origin: Origin) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return kept | {
        "PYTHONPATH": str(CLIENT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MEDIADL_URL": f"http://127.0.0.1:{product.port}",
        "MEDIADL_API_KEY": API_KEY,
        "ORIGIN_URL": origin.url("").rstrip("/"),
    }


def test_the_client_does_all_that_it_promises(product: Product, origin: Origin) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "tests"]
    answer = subprocess.run(
        command,
        cwd=CLIENT,
        env=environment_of(product, origin),
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_client_needs_nothing_of_the_server() -> None:
    script = "import mediadl.cli, sys; print(mediadl.__file__, *sorted(sys.modules), sep='\\n')"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CLIENT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path("/"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    where, *loaded = answer.stdout.splitlines()
    assert where.startswith(str(CLIENT))
    assert {"django", "yt_dlp", "accounts", "downloads"} & set(loaded) == set()
