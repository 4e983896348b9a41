"""Children whose leashes come into the world, and cannot fork."""

from __future__ import annotations

import os

from tests.engine.barren import forbid_forks
from tests.engine.children import run

__all__ = ["run"]

os.register_at_fork(after_in_child=forbid_forks)
