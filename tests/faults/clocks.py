"""A clock that is set under a running product: libfaketime, told by a file what time its processes see."""

from __future__ import annotations

from pathlib import Path

import pytest

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1")

# libfaketime refuses clock_nanosleep, by which Python sleeps, when it leaves the monotonic clock alone.
SLEEP = "import select, time; time.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"


class Clock:
    """`environment` is for the product; its guard and its downloads keep the true time, which they do not look at."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        self.set("+0")
        self.environment = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # As when an operator or ntpd sets the clock: time that has passed stays what it is.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": str(directory),
        }
        (directory / "sitecustomize.py").write_text(SLEEP)

    def set(self, offset: str) -> None:
        """Such as "+3h" or "-2h", from the true time."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._file)


def library() -> Path:
    for pattern in LIBRARIES:
        for found in Path("/").glob(pattern.removeprefix("/")):
            return found
    pytest.fail("these tests set clocks with libfaketime: apt-get install faketime")
