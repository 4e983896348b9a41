"""Named places where the tests of faults kill or stop a process: between one step and the next.

MEDIADL_CRASH_AT names a directory. A file in it arms the point of its name, once: the process that gets there first
takes the file away and sends itself the signal whose number the file holds (SIGKILL when it holds none). The product
refuses to start with the variable outside its test suite.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


def reach(name: str) -> None:
    if settings.CRASH_POINTS and settings.TESTING:
        _strike(Path(settings.CRASH_POINTS) / name)


def _strike(armed: Path) -> None:
    try:
        number = int(armed.read_text() or signal.SIGKILL)
        armed.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), number)


@register()
def crash_points_are_for_tests(**_: Any) -> list[CheckMessage]:
    if settings.TESTING or not settings.CRASH_POINTS:
        return []
    return [Error("MEDIADL_CRASH_AT kills processes on purpose.", hint="Unset it.", id="downloads.E003")]
