"""A cluster that only counts how often it was killed, and time that passes when it is told to."""

from __future__ import annotations

import time

import pytest

from downloads import bell
from downloads.supervision import PULSE_SECONDS, Pulse


class Cluster:
    name = bell.CONTROL
    is_running = True
    kills = 0

    def kill(self) -> None:
        self.kills += 1


class Passing:
    """Lets time pass, pulse by pulse."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pulse: Pulse) -> None:
        self.pulse = pulse
        self.now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def pulses(self, count: int) -> None:
        for _ in range(count):
            self.pulse.beat()
            self.now += PULSE_SECONDS + 0.1
