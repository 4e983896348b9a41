"""What a child runs: a download, or a look at a page without one."""

from __future__ import annotations

from downloads.engine import child, extraction
from downloads.engine.reporter import Emit
from downloads.engine.spec import JobSpec

warm = child.warm


def run(spec: JobSpec, emit: Emit) -> int:
    return child.run(spec, emit) if spec.probe is None else extraction.run(spec, spec.probe, emit)
