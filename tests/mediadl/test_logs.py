from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

pytestmark = pytest.mark.promise("S16")

# What a process of the product does: the settings configure, anybody logs.
SPEAKER = """
import logging, logging.config, sys
import structlog
from mediadl.logs import logging_config
logging.config.dictConfig(logging_config(*sys.argv[1:]))
log = structlog.get_logger("downloads.runner")
with structlog.contextvars.bound_contextvars(request_id="r-1"):
    with structlog.contextvars.bound_contextvars(job_id="j-1", attempt=2):
        log.info("lease_lost", reason='two\\nlines and "quotes"')
    logging.getLogger("django.request").warning("Not Found: %s", "/nowhere")
    logging.getLogger("django.request").warning("Not Found: %s", "/s/ zq7token of a link")
    logging.getLogger("django.request").warning("Gone: %s", "/api/v1/files/%s/zq7title with words.mp4" % ("0" * 36))
log.debug("a detail")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("sweep_step_failed", step="expire")
    logging.getLogger("django.request").exception("old style")
logging.getLogger("django-q").info("Q Cluster starting with the name of somebody")
logging.getLogger("httpx").info("HTTP Request: GET http://media.example/secret")
logging.getLogger("django.security.DisallowedHost").error("Invalid HTTP_HOST header")
"""


def spoken(level: str, form: str) -> list[str]:
    answer = subprocess.run(
        [sys.executable, "-c", SPEAKER, level, form],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        timeout=20,
        check=True,
    )
    assert answer.stdout == ""
    return answer.stderr.splitlines()


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    """The log at INFO as JSON; that each line can be parsed is what half of this is about."""
    return [json.loads(line) for line in spoken("INFO", "json")]


def event(lines: list[dict[str, Any]], name: str) -> dict[str, Any]:
    [found] = [line for line in lines if line["event"] == name]
    return found


def test_a_line_carries_the_ids_that_were_bound_around_it(lines: list[dict[str, Any]]) -> None:
    line = event(lines, "lease_lost")
    assert (line["request_id"], line["job_id"], line["attempt"]) == ("r-1", "j-1", 2)


def test_ids_end_with_what_they_were_bound_to(lines: list[dict[str, Any]]) -> None:
    assert "job_id" not in event(lines, "Not Found: /nowhere")
    assert "request_id" not in event(lines, "sweep_step_failed")


def test_lines_of_other_libraries_look_the_same(lines: list[dict[str, Any]]) -> None:
    line = event(lines, "Not Found: /nowhere")
    assert line["request_id"] == "r-1"
    assert (line["logger"], line["level"]) == ("django.request", "warning")


def test_a_line_says_when_in_utc_and_who(lines: list[dict[str, Any]]) -> None:
    line = event(lines, "lease_lost")
    moment = datetime.fromisoformat(line["timestamp"])
    assert moment.utcoffset() is not None
    assert line["timestamp"].endswith("Z")
    assert (line["logger"], line["level"]) == ("downloads.runner", "info")


def test_text_with_line_breaks_stays_on_one_line(lines: list[dict[str, Any]]) -> None:
    assert event(lines, "lease_lost")["reason"] == 'two\nlines and "quotes"'


@pytest.mark.parametrize("name", ["sweep_step_failed", "old style"])
def test_an_exception_is_a_field_of_its_line(lines: list[dict[str, Any]], name: str) -> None:
    assert "ZeroDivisionError" in event(lines, name)["exception"]


def test_libraries_that_name_people_and_addresses_are_silent(lines: list[dict[str, Any]]) -> None:
    said = json.dumps(lines)
    assert "somebody" not in said
    assert "media.example" not in said
    assert "HTTP_HOST" not in said


def test_paths_that_name_titles_and_links_are_cut(lines: list[dict[str, Any]]) -> None:
    assert event(lines, "Not Found: /s/...")
    assert event(lines, f"Gone: /api/v1/files/{'0' * 36}/...")
    assert "zq7" not in json.dumps(lines)
    assert "words" not in json.dumps(lines)


def test_details_are_said_at_debug_alone(lines: list[dict[str, Any]]) -> None:
    assert "a detail" not in json.dumps(lines)
    assert any("a detail" in line for line in spoken("DEBUG", "json"))


def test_the_console_form_is_for_people() -> None:
    [line] = [line for line in spoken("INFO", "console") if "lease_lost" in line]
    assert "job_id=j-1" in line
    assert not line.startswith("{")
