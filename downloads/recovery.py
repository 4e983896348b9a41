"""Jobs whose worker is gone: found by their process on this node, or by a lapsed lease on any."""

from __future__ import annotations

import contextlib

from django.conf import settings

from downloads import crash_points, workers
from downloads.models import Job, LeaseLostError


def recover_node() -> int:
    """Gives back the jobs of this node's dead workers at once, without waiting for their leases to lapse."""
    dead = [job for job in Job.objects.on_node(settings.NODE_NAME) if not workers.is_alive(job.worker)]
    return sum(_lose(job) for job in dead)


def recover_stalled() -> int:
    return sum(_lose(job) for job in Job.objects.stalled())


def _lose(job: Job) -> bool:
    # Another sweeper, or the worker itself, may be first.
    with contextlib.suppress(LeaseLostError):
        job.lose()
        crash_points.reach("recover.one")
        return True
    return False
