"""Every example of docs/api.md, run from the first to the last as one program of each language."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.origin import Origin
from tests.product import API_KEY, ROOT, Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

DOCUMENT = ROOT / "docs" / "api.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def program(language: str, product: Product, origin: Origin) -> str:
    """The blocks of a language, with addresses that lead to this product and this site."""
    blocks = [code for kind, code in BLOCK.findall(DOCUMENT.read_text()) if kind == language]
    assert len(blocks) > 5
    code = "\n".join(blocks)
    for shown, real in (
        ("https://media.example.org", f"http://127.0.0.1:{product.port}"),
        ("mdl_your_key", API_KEY),
        ("https://videos.example.com/watch/42", origin.url("/page/og-video?title=A%20walk")),
        ("https://videos.example.com/watch/43", origin.url("/other.mp4")),
        ("https://videos.example.com/playlist/7", origin.url("/rss.xml?n=2")),
        ("https://videos.example.com/removed", origin.url("/status/404/clip.mp4")),
        ("https://videos.example.com/members/42", origin.url("/needs-cookie/session/zq/page/og-video")),
        ("https://hooks.example.org/mediadl", origin.url("/hook")),
        ("videos.example.com", "127.0.0.1"),
    ):
        code = code.replace(shown, real)
    assert "example." not in code
    return code


def run(command: list[str], product: Product, directory: Path) -> list[str]:
    """The lines that it says. Python is the test's own, also for the shell."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "clients" / "python" / "src"),
        "MEDIADL_URL": f"http://127.0.0.1:{product.port}",
        "MEDIADL_API_KEY": API_KEY,
    }
    answer = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout.splitlines()


@pytest.mark.needs("curl")
def test_the_examples_for_the_shell_work(product: Product, origin: Origin, tmp_path: Path) -> None:
    script = tmp_path / "examples.sh"
    script.write_text("set -euo pipefail\n" + program("sh", product, origin))
    said = run(["bash", str(script)], product, tmp_path)
    assert said[0] == "completed"
    assert {"paused", "queued", "cancelled", "unknown_field", "A walk", "True", "webhook.test"} <= set(said)
    assert {"2", "playlist", "channel", "operator"} <= set(said)
    assert len(zipfile.ZipFile(tmp_path / "batch.zip").namelist()) == 2
    assert any(line.startswith("webhook.test ") for line in said)
    assert said[-1].strip() == "1"
    film, shared = (tmp_path / name for name in ("film.mp4", "shared.mp4"))
    assert film.read_bytes() == shared.read_bytes()
    assert film.stat().st_size > 10_000


def test_the_examples_for_python_work(product: Product, origin: Origin, tmp_path: Path) -> None:
    script = tmp_path / "examples.py"
    script.write_text(program("python", product, origin))
    said = run([sys.executable, str(script)], product, tmp_path)
    assert "2 of 2" in said
    assert any(line.startswith("unknown_field qualty") for line in said)
    assert any(line.startswith("not_found") for line in said)
    assert "400" in said
    assert any(line.endswith("of any number of jobs today") for line in said)
    assert {path.suffix for path in (tmp_path / "films").iterdir()} == {".mp4", ".mp3"}


@pytest.mark.needs("node")
def test_the_examples_for_javascript_work(product: Product, origin: Origin, tmp_path: Path) -> None:
    script = tmp_path / "examples.mjs"
    script.write_text(program("js", product, origin))
    said = run(["node", str(script)], product, tmp_path)
    assert {"206", "304", "cookies are sent: true", "another secret: true", "scopes: [ 'read' ]"} <= set(said)
    assert any(line.startswith("allowed: true []") for line in said)
    assert any("webhook.test" in line for line in said)
    assert any(" completed " in f"{line} " for line in said)
    assert (tmp_path / "film.mp4").stat().st_size > 10_000
