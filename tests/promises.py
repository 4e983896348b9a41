"""Which tests keep which row of docs/promises.md: those marked `promise("P7")`; `--promise P7` runs them alone."""

from __future__ import annotations

import pytest


def keep_those_of(promise: str, config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [item for item in items if promise in _kept_by(item)]
    left_out = [item for item in items if promise not in _kept_by(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def _kept_by(item: pytest.Item) -> set[str]:
    return {promise for mark in item.iter_markers("promise") for promise in mark.args}
