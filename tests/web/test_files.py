"""The pages' own files: what they weigh, and that nothing in them needs a weaker policy."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from downloads.web import context, moments, tags

BASE = Path(settings.BASE_DIR)
TEMPLATES = sorted(path for path in (BASE / "templates").rglob("*.html") if "api" not in path.parts)
OURS = sorted(path for path in (BASE / "static" / "js").glob("*.js"))
FIRST_LOAD_BYTES = 40_000
UNPACKED_BYTES = 120_000
LINKED = re.compile(r'(?:href|src)="/static/([^"#]+\.(?:css|js))"')


def name(path: Path) -> str:
    return str(path.relative_to(BASE))


@pytest.mark.parametrize("address", ["/", "/library", "/accounts/keys/"])
def test_a_first_visit_fetches_few_bytes_of_script_and_style(page: Client, address: str) -> None:
    contents = [(BASE / "static" / path).read_bytes() for path in set(LINKED.findall(page.get(address).text))]
    assert len(contents) > 5
    assert sum(map(len, contents)) < UNPACKED_BYTES
    assert sum(len(gzip.compress(content)) for content in contents) < FIRST_LOAD_BYTES


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_a_template_has_no_script_style_or_handler_in_it(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)|hx-on", text, re.IGNORECASE)
    assert not re.search(r"(?:href|src|action)=[\"']https?://", text)


@pytest.mark.parametrize("path", OURS, ids=name)
def test_a_script_keeps_to_itself(path: Path) -> None:
    code = re.sub(r"^//.*\n", "", path.read_text(), flags=re.MULTILINE)
    assert code.startswith('(() => {\n  "use strict";\n')
    assert code.endswith("})();\n")
    assert not re.search(r"\beval\(|new Function|\.style\b|https?://(?!\[)", code.replace(r"https?:\/\/", ""))


def test_the_frame_of_all_pages_stays_short() -> None:
    assert len((BASE / "templates" / "base.html").read_text().splitlines()) < 80


def test_vendored_scripts_are_those_that_were_published() -> None:
    readme = (BASE / "static" / "vendor" / "README.md").read_text()
    scripts = sorted((BASE / "static" / "vendor").glob("*.js"))
    assert scripts
    for script in scripts:
        assert f"| {script.name} |" in readme
        assert hashlib.sha256(script.read_bytes()).hexdigest() in readme


def test_every_icon_that_is_asked_for_is_there() -> None:
    there = set(re.findall(r'<symbol id="([a-z-]+)"', (BASE / "static" / "icons.svg").read_text()))
    templates = "\n".join(path.read_text() for path in TEMPLATES)
    asked = set(re.findall(r'{% icon "([a-z-]+)"', templates)) | set(tags.NOTICE_ICONS.values()) | {"info"}
    assert asked <= there


def test_the_script_tells_moments_by_the_same_table_as_the_server() -> None:
    script = (BASE / "static" / "js" / "time.js").read_text()
    table = ", ".join(f'[{limit}, {length}, "{unit}"]' for limit, length, unit in moments.SPANS).replace(
        "inf", "Infinity"
    )
    assert f"const SPANS = [{table}];" in script


def test_htmx_may_neither_evaluate_nor_leave_the_site() -> None:
    config = context.HTMX_CONFIG
    assert (config["allowEval"], config["selfRequestsOnly"], config["includeIndicatorStyles"]) == (False, True, False)


def test_private_pages_are_stored_nowhere(page: Client) -> None:
    answer = page.get("/")
    assert answer["Cache-Control"] == "no-store"
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_the_page_of_help_says_how_long_files_stay(page: Client) -> None:
    assert "kept for 1 hour unless" in page.get("/help").text
