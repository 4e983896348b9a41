"""Children whose leashes take the time to kill what is left one by one as spent before they have begun."""

from __future__ import annotations

from downloads.engine import leash
from tests.engine.children import run

__all__ = ["run"]

leash._CLEAR_SECONDS = -1.0
