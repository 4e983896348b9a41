"""What a run of the faults has measured: said at once, and again at its end, as docs/promises.md wants it."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

FIGURES: dict[str, list[str]] = defaultdict(list)
OUTCOMES: dict[str, Counter[str]] = defaultdict(Counter)
SECONDS: dict[str, float] = defaultdict(float)
ALL = "all"


def say(promise: str, figure: object) -> None:
    """`promise` is its id; a few words may follow."""
    print(f"\n{promise}: {figure}")
    name, _, words = promise.partition(",")
    FIGURES[name].append(f"{words.strip()} {figure}".strip())


def note(item: pytest.Item, report: pytest.TestReport) -> None:
    """Setting up and taking down count as time of the test."""
    kept = {promise for mark in item.iter_markers("promise") for promise in mark.args}
    for promise in {*kept, ALL}:
        SECONDS[promise] += report.duration
        if report.when == "call" or report.outcome != "passed":
            OUTCOMES[promise][report.outcome] += 1


def lines() -> list[str]:
    found = []
    for promise in sorted(OUTCOMES, key=lambda name: (len(name), name)):
        counts = ", ".join(f"{number} {outcome}" for outcome, number in OUTCOMES[promise].items())
        found.append(f"{promise}: {counts} in {SECONDS[promise]:.0f} s")
        found += [f"    {figure}" for figure in FIGURES[promise]]
    return found
