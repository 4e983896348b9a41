"""Children of a module whose import has left a thread behind."""

from __future__ import annotations

import threading

from tests.engine.children import run

__all__ = ["run"]

threading.Thread(target=threading.Event().wait, daemon=True).start()
