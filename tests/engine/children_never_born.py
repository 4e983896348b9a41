"""Children of a fork server that cannot fork."""

from __future__ import annotations

from tests.engine.barren import forbid_forks
from tests.engine.children import run

__all__ = ["run"]


def warm() -> None:
    forbid_forks()
