"""A django-q2 cluster in a fork of the supervisor: its sentinel is the fork itself, and dies with the supervisor.

django-q2's own main process does nothing but wait for the sentinel, and hangs when both are told to stop at once.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import threading
import uuid
from types import FrameType

from django.conf import settings
from setproctitle import setproctitle

from downloads import bell, sweeping
from downloads.engine import linux
from downloads.processes import inherit_death_below


def preload() -> None:
    """Loads, before the forks, what every cluster needs, so that they share its memory.

    A first sweep does most of it, and gives this node's jobs of before to its new workers.
    """
    for module in ("django_q.cluster", "downloads.tasks"):
        importlib.import_module(module)
    sweeping.sweep()
    for queue in bell.TASKS:
        bell.ring(queue)


def run(queue: str) -> None:
    """Serves `queue` until SIGTERM, and returns when its workers have stopped. Called in a process of its own."""
    from django_q.cluster import Sentinel  # noqa: PLC0415 - opens queues while it is imported

    _choose(queue)
    stop = StopFlag()
    sentinel = Sentinel(stop, threading.Event(), uuid.uuid4(), start=False)
    signal.signal(signal.SIGTERM, stop.set)
    inherit_death_below()
    linux.give_way(linux.NICE_TO_THE_WEB if queue == bell.PROBE else linux.NICE_TO_ALL)
    setproctitle(f"mediadl: {queue}")
    # A collection would touch every object that the forks share, and so copy it.
    gc.freeze()
    sentinel.start()


class StopFlag:
    """An event that a signal handler may set while the same thread waits for it, which no library's event allows."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()

    def set(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        os.write(self._writer, b"!")

    def is_set(self) -> bool:
        return self.wait(0)

    def wait(self, seconds: float) -> bool:
        return bool(select.select([self._reader], [], [], seconds)[0])


def _choose(queue: str) -> None:
    """What django-q2 takes from the environment while it is imported, which here was long before the fork."""
    from django_q.conf import Conf  # noqa: PLC0415

    os.environ["Q_CLUSTER_NAME"] = queue
    Conf.CLUSTER_NAME = queue
    chosen = settings.Q_CLUSTER["ALT_CLUSTERS"].get(queue, settings.Q_CLUSTER)
    Conf.WORKERS = chosen["workers"]
    Conf.QUEUE_LIMIT = chosen["queue_limit"]
