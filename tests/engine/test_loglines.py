"""What the programs without Django write: objects for machines, and lines like the server's own for people."""

from __future__ import annotations

import json
import logging
import re

import pytest

from downloads.engine.loglines import ConsoleLines, JsonLines, to_stderr

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def record(message: str = "accept_failed", *, failure: BaseException | None = None, **facts: str) -> logging.LogRecord:
    info = (type(failure), failure, failure.__traceback__) if failure else None
    made = logging.LogRecord("downloads.engine.guard", logging.WARNING, "guard.py", 1, message, None, info)
    made.__dict__.update(facts)
    return made


def test_a_line_for_machines_is_one_object() -> None:
    line = JsonLines().format(record("two\nlines", reason="Too many open files"))
    assert "\n" not in line
    found = json.loads(line)
    assert MOMENT.fullmatch(found.pop("timestamp"))
    assert found == {
        "event": "two\nlines",
        "reason": "Too many open files",
        "logger": "downloads.engine.guard",
        "level": "warning",
    }


def test_a_line_for_people_has_the_moment_the_level_and_the_facts() -> None:
    line = ConsoleLines().format(record(address="127.0.0.1:3128"))
    moment, rest = line.split(" ", 1)
    assert MOMENT.fullmatch(moment)
    assert rest == "[warning  ] accept_failed [downloads.engine.guard] address=127.0.0.1:3128"


def test_a_failure_is_told_in_both() -> None:
    failure = ValueError("no such thing")
    assert "no such thing" in json.loads(JsonLines().format(record(failure=failure)))["exception"]
    assert "no such thing" in ConsoleLines().format(record(failure=failure)).splitlines()[-1]


def test_a_level_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "root", logging.RootLogger(logging.WARNING))
    with pytest.raises(ValueError, match="LOUD"):
        to_stderr("json", "loud")
