"""Each promise has tests of its own, named by its id, and a row that says which they are and how to run them."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.tree import ROOT, modules, parsed

ROW = re.compile(r"^\| ([PS]\d+) \|(.*)\|$", re.MULTILINE)
ROWS = dict(ROW.findall((ROOT / "docs" / "promises.md").read_text()))
PROMISES = [*(f"P{number}" for number in range(1, 18)), *(f"S{number}" for number in range(1, 17))]


def marked() -> dict[str, set[str]]:
    """Promise → files with a test marked by it, below tests/."""
    found = defaultdict(set)
    for path in modules("tests"):
        for promise in promises_in(path):
            found[promise].add(str(path.relative_to(ROOT / "tests")))
    return found


def promises_in(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.promise":
            yield from map(ast.literal_eval, node.args)


MARKED = marked()


def test_every_promise_has_its_row_and_no_test_keeps_another() -> None:
    assert list(ROWS) == PROMISES
    assert sorted(MARKED) == sorted(PROMISES)


@pytest.mark.parametrize("promise", PROMISES)
def test_a_row_names_the_tests_of_its_promise_and_what_runs_them(promise: str) -> None:
    """Those without a folder lie in tests/faults/."""
    named = {name.removeprefix("tests/") for name in re.findall(r"`([\w/]+\.py|tests/[\w/]+/)`", ROWS[promise])}
    folders = tuple(name for name in named if name.endswith("/"))
    files = {name if "/" in name else f"faults/{name}" for name in named if name.endswith(".py")}
    kept = {name for name in MARKED[promise] if not name.startswith(folders)}

    assert (files, f"`make promise ID={promise}`" in ROWS[promise]) == (kept, True)
    assert all(any(name.startswith(folder) for name in MARKED[promise]) for folder in folders)
