"""The threat model names a test for each way in, knows every way in, and says where each promise of security stands."""

from __future__ import annotations

import re

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.project.tree import ROOT

TEXT = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT)))


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("path", NAMED)
def test_what_it_names_is_there_and_has_tests(path: str) -> None:
    assert re.search(r"^\s*(async )?def test_", (ROOT / path).read_text(), re.MULTILINE)


def test_every_way_in_has_a_test() -> None:
    rows = [row for row in section("Ways in").splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 10
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py`", row.rsplit(" | ", 1)[1])] == []


def test_it_knows_every_address_that_the_server_has() -> None:
    first: set[str] = set()
    for entry in get_resolver().url_patterns:
        assert isinstance(entry, URLPattern | URLResolver)
        first.add(str(entry.pattern).split("/")[0])
    ways = set(re.findall(r"`/(\w*)", section("Ways in")))
    assert first - ways == set()


def test_every_promise_of_security_has_its_place() -> None:
    said = set(re.findall(r"\bS\d+\b", section("Where trust ends")))
    assert said == {f"S{number}" for number in range(1, 17)}
