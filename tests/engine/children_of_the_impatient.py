"""Children whose leashes do not wait for a silent slot as long as a real one does."""

from __future__ import annotations

from downloads.engine import leash
from tests.engine.children import run

__all__ = ["run"]

leash._SILENCE_SECONDS = 0.5
