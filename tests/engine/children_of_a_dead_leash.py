"""Children whose leash is dead when they take their first step, before the kernel has been told to end them with it."""

from __future__ import annotations

import os
import signal
import time

from tests.engine.children import run

__all__ = ["run"]


_server = os.getpid()


def _lose_the_leash() -> None:
    leash = os.getppid()
    if leash == _server:
        return  # this is a leash
    os.kill(_server, signal.SIGSTOP)
    os.kill(leash, signal.SIGKILL)
    while os.getppid() == leash:
        time.sleep(0.001)


os.register_at_fork(after_in_child=_lose_the_leash)
