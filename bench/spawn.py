"""How long a job waits for its process: `python -m bench.spawn [attempts]`.

Measures the fork server (from connect to the first event, and to the exit) beside what it spares: a fresh interpreter
that imports yt_dlp. The goal is 15 ms to the first event.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from downloads.engine.spec import Event, JobSpec
from downloads.engine.supervisor import Attempt

ROOT = Path(__file__).parents[1]
GOAL_MS = 15


def warm() -> None:
    """In the fork server: what the real child has loaded."""
    from downloads.engine import child as engine  # noqa: PLC0415 - not in the measuring process

    engine.warm()


def child(_: JobSpec, emit: Callable[[Event], None]) -> int:
    emit(Event(name="done"))
    return 0


def main() -> None:
    attempts = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "s")
        command = [sys.executable, "-m", "downloads.engine.forkserver", "--socket", str(path)]
        server = subprocess.Popen([*command, "--child", "bench.spawn:child"], cwd=ROOT)
        try:
            warm_ms = wait_for(path, server)
            measure(path, Path(directory, "work"), attempts)
        finally:
            server.terminate()
            server.wait()
    print(f"fork server ready after {warm_ms:.0f} ms")


def wait_for(path: Path, server: subprocess.Popen[bytes]) -> float:
    began = time.perf_counter()
    while not path.exists() and server.poll() is None:
        time.sleep(0.005)
    return (time.perf_counter() - began) * 1000


def measure(path: Path, work: Path, attempts: int) -> None:
    """The two take turns, so that a busy machine slows both."""
    firsts, wholes, imports = [], [], []
    for number in range(attempts):
        first, whole = spawn(path, work / str(number))
        firsts.append(first)
        wholes.append(whole)
        if number % 10 == 0:
            imports.append(import_ytdlp())
    report("connect to first event", firsts)
    report("connect to exit", wholes)
    report('python -c "import yt_dlp"', imports)
    print(f"a fork is {statistics.median(imports) / statistics.median(firsts):.0f} times as fast as a fresh import")
    print(f"goal of {GOAL_MS} ms to the first event: {'met' if statistics.median(firsts) <= GOAL_MS else 'MISSED'}")


def spawn(path: Path, work: Path) -> tuple[float, float]:
    spec = JobSpec(
        job_id="bench",
        attempt=1,
        url="http://bench.test/",
        work_directory=str(work),
        proxy_url="http://127.0.0.1:9",
        ffmpeg_location="",
        require_sandbox=True,
    )
    began = time.perf_counter()
    with Attempt.start(spec, path) as attempt:
        first = None
        while not attempt.is_finished:
            attempt.read(5)
            first = first or time.perf_counter()
    if attempt.exit_status != 0 or first is None:
        raise SystemExit(f"an attempt failed with {attempt.exit_status}")
    return (first - began) * 1000, (time.perf_counter() - began) * 1000


def import_ytdlp() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import yt_dlp"], check=True)
    return (time.perf_counter() - began) * 1000


def report(what: str, milliseconds: list[float]) -> None:
    values = sorted(milliseconds)
    p50, p95 = values[len(values) // 2], values[int(len(values) * 0.95)]
    print(f"{what:28} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   n {len(values)}")


if __name__ == "__main__":
    main()
