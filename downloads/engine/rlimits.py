"""Resource limits of a child and what it starts. Hard limits: nobody inside can raise them again."""

from __future__ import annotations

import os
import resource

from downloads.engine.spec import Limits

SLACK_BYTES = 64 * 1024**2  # container overhead, sidecar files, a last buffer
_MAX_DESCRIPTORS = 1024
_MIN_DATA_BYTES = 1024**3
# Counts every thread of the user, and only forks of the limited process fail: a fork bomb ends, others go on.
_MAX_PROCESSES = 8192


def enter(limits: Limits) -> None:
    for kind, value in _values(limits).items():
        hard = resource.getrlimit(kind)[1]
        bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bounded, bounded))


def max_file_bytes(limits: Limits) -> int:
    return limits.max_bytes + limits.max_bytes // 10 + SLACK_BYTES


def _values(limits: Limits) -> dict[int, int]:
    cpu_seconds = limits.wall_clock_seconds * (os.cpu_count() or 1)
    return {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: max_file_bytes(limits),
        # Not RLIMIT_AS: deno reserves far more address space than it will ever use, and needs 0.8 GB of this one.
        # The leash watches what is really resident.
        resource.RLIMIT_DATA: max(limits.memory_bytes, _MIN_DATA_BYTES),
        resource.RLIMIT_NOFILE: _MAX_DESCRIPTORS,
        resource.RLIMIT_NPROC: _MAX_PROCESSES,
        resource.RLIMIT_CPU: int(cpu_seconds) + 60,
    }
