"""A django-q2 cluster, run in a fork of the supervisor: all its processes die with their parents."""

from __future__ import annotations

import gc
import os

from django.conf import settings
from setproctitle import setproctitle

from downloads.processes import inherit_death_below


def run(queue: str) -> None:
    """Serves `queue` until SIGTERM. Called in a process of its own, which it does not leave before its workers have."""
    from django_q.cluster import Cluster  # noqa: PLC0415 - opens queues while it is imported

    from downloads import tasks  # noqa: F401, PLC0415 - loaded once, shared by all workers

    _choose(queue)
    inherit_death_below()
    gc.freeze()
    cluster = Cluster()
    cluster.start()
    setproctitle(f"mediadl: {queue}")
    if cluster.sentinel is not None:
        cluster.sentinel.join()


def _choose(queue: str) -> None:
    """What django-q2 takes from the environment while it is imported, which here was long before the fork."""
    from django_q.conf import Conf  # noqa: PLC0415

    os.environ["Q_CLUSTER_NAME"] = queue
    Conf.CLUSTER_NAME = queue
    chosen = settings.Q_CLUSTER["ALT_CLUSTERS"].get(queue, settings.Q_CLUSTER)
    Conf.WORKERS = chosen["workers"]
    Conf.QUEUE_LIMIT = chosen["queue_limit"]
