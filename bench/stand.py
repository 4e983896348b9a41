"""What the benches share: the product beside an origin, on SQLite or PostgreSQL, and honest summaries."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.origin import Origin
from tests.postgres import throwaway_postgres
from tests.product import Product


@contextmanager
def stand(database: str = "sqlite", **environment: str) -> Iterator[tuple[Product, Origin]]:
    """The running product and an origin; `database` is "sqlite" or "postgres"."""
    with tempfile.TemporaryDirectory(prefix="mediadl-bench-") as directory, Origin() as origin:
        if database == "sqlite":
            with Product(Path(directory), **environment) as product:
                yield product, origin
            return
        with throwaway_postgres() as url, Product(Path(directory), DATABASE_URL=url, **environment) as product:
            yield product, origin


def timed(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def line(name: str, seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return (
        f"{name:<44} p50 {statistics.median(ordered) * 1000:8.1f} ms   p95 {p95 * 1000:8.1f} ms   "
        f"min {ordered[0] * 1000:8.1f}   n {len(ordered)}"
    )


def measure_apart(module: str, database: str, *arguments: str, **environment: str) -> None:
    """Runs `python -m module --here` on a new database with a new DATA_DIR: settings are read from the environment."""
    command = [sys.executable, "-m", module, "--here", *arguments]
    with tempfile.TemporaryDirectory(prefix="mediadl-bench-") as directory:
        environment = os.environ | {"DATA_DIR": directory, "DJANGO_SETTINGS_MODULE": "mediadl.settings"} | environment
        if database == "sqlite":
            subprocess.run(command, env=environment, check=True)
            return
        with throwaway_postgres() as url:
            subprocess.run(command, env=environment | {"DATABASE_URL": url}, check=True)


def databases() -> Sequence[str]:
    return tuple((os.environ.get("BENCH_DATABASES") or "sqlite,postgres").split(","))
