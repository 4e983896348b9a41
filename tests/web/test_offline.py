"""What a browser keeps for the time without a connection."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from django.test import Client

from tests.programs import program

pytestmark = pytest.mark.django_db


def test_the_page_is_nobodys(page: Client) -> None:
    answer = page.get("/offline")
    assert answer.status_code == 200
    assert "No connection" in answer.text
    assert "ada" not in answer.text
    assert 'aria-label="Main"' not in answer.text
    assert "csrfmiddlewaretoken" not in answer.text


def test_the_script_is_at_the_root_and_asked_for_anew_each_time() -> None:
    answer = Client().get("/sw.js")
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "no-cache"
    assert "&#" not in answer.text, "a script has no use for escapes of HTML"


def test_whatever_the_script_keeps_is_there_for_everybody() -> None:
    text = Client().get("/sw.js").text
    parts = re.findall(r'"(/[^"]+)"', text.partition("const PARTS = [")[2].partition("]")[0])
    assert len(parts) == 6, "and the page itself, by its name"
    assert all(path.startswith("/static/") for path in parts)


@pytest.mark.needs("node")
def test_the_script_can_be_read_by_javascript(tmp_path: Path) -> None:
    script = tmp_path / "sw.js"
    script.write_text(Client().get("/sw.js").text)
    assert subprocess.run([program("node"), "--check", str(script)], check=False).returncode == 0
