"""What django-q2's workers run. A task is only a wake-up: it may be lost, doubled or late and changes nothing by it."""

from __future__ import annotations

from downloads import bell, claims, crash_points, expansion, probing, runner, storage, sweeping, workers


def run_downloads() -> None:
    """Runs eligible jobs one after the other until there are none."""
    workers.beat(bell.DOWNLOAD)
    while storage.is_there() and not workers.is_draining():
        job = claims.claim(workers.identity())
        if job is None:
            return
        crash_points.reach("claim.after_commit")
        runner.run(job)
        workers.beat(bell.DOWNLOAD)


def run_probes() -> None:
    """Takes the looks that are asked for, one after the other until there are none, and gives batches their jobs."""
    workers.beat(bell.PROBE)
    expansion.expand_waiting()
    while storage.is_there() and not workers.is_draining():
        probe = probing.claim(workers.identity())
        if probe is None:
            return
        probing.run(probe)
        expansion.expand_waiting()
        workers.beat(bell.PROBE)


def sweep() -> None:
    workers.beat(bell.CONTROL)
    sweeping.sweep()
