"""A hundred users at once while downloads run: what they wait, and whether the product grows meanwhile.

    python -m bench.load [--users 100] [--seconds 60] [--downloads 10] [--database postgres] [--webs 2]
    python -m bench.load --seconds 1800        the soak

Users are locust's, of bench/locustfile.py, which `make bench` and `make .venv/.bench` install. Memory (PSS),
descriptors and processes are counted every ten seconds. Ends with 1 when something failed or grew.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.idle import pss
from bench.stand import stand
from tests.origin import Origin
from tests.product import API_KEY, Product

READ_BOUND, SUBMIT_BOUND = 200, 500
# They end when the download does, by design.
UNBOUND = {"wait"}
# A download of 158 kB takes eight seconds of these.
PACE = 20_000
SAMPLE_SECONDS = 10
# What is loaded at first use is loaded by then.
WARM_SHARE = 0.2
GROWTH = 1.1
ENVIRONMENT = {
    # So that files are deleted meanwhile, too.
    "FILE_RETENTION_HOURS": "0.1",
    "MAX_STREAMS_PER_OWNER": "1000",
    "WORKERS": "12",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    memory: float
    descriptors: int
    processes: int


def sample(product: Product) -> Sample:
    """Of what stays: processes of single downloads, in directories of their own, come and go."""
    pids = [pid for pid in product.pids() if not is_of_a_download(product, pid)]
    return Sample(memory=sum(map(pss, pids)), descriptors=sum(map(descriptors, pids)), processes=len(pids))


def is_of_a_download(product: Product, pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(product.data_dir / "work")
    except OSError:
        return True


def descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def run(product: Product, origin: Origin, options: argparse.Namespace) -> tuple[list[dict[str, Any]], list[Sample]]:
    """What locust says of each kind of request, and what the product had of the machine meanwhile."""
    report, samples = product.data_dir.parent / "locust", []
    host = str(product.api.base_url).partition("/api/")[0]
    environment = os.environ | {
        "API_KEY": API_KEY,
        "MEDIA_URL": origin.url("/item/{}.mp4"),
        "SLOW_MEDIA_URL": origin.url(f"/slow/{PACE}/item/{{}}.mp4"),
        "DOWNLOADS": str(options.downloads),
    }
    users = str(options.users + options.downloads)
    locust = [sys.executable, "-m", "locust", "-f", Path(__file__).with_name("locustfile.py"), "--host", host]
    locust += ["--headless", "--users", users, "--spawn-rate", "50", "--run-time", f"{options.seconds}s"]
    locust += ["--only-summary", "--json-file", report, "--exit-code-on-error", "0", "--loglevel", "WARNING"]
    with subprocess.Popen(locust, env=environment) as running:
        while running.poll() is None:
            samples.append(sample(product))
            time.sleep(SAMPLE_SECONDS)
    return json.loads(report.with_suffix(".json").read_text()), samples


def told(kinds: list[dict[str, Any]]) -> bool:
    """Locust prints its own table, but rounds what is more than 100 ms to two digits there and here."""
    is_good = bool(kinds)
    for kind in sorted(kinds, key=lambda one: one["name"]):
        p50, p95 = (quantile(kind["response_times"], share) for share in (0.5, 0.95))
        bound = SUBMIT_BOUND if kind["name"] == "submit" else READ_BOUND
        is_met = kind["name"] in UNBOUND or p95 <= bound
        is_good &= is_met and not kind["num_failures"]
        counts = f"{kind['num_requests']:7} requests, {kind['num_failures']} failed"
        bounds = "" if kind["name"] in UNBOUND else f"   bound {bound} ms{'' if is_met else ', not met'}"
        print(f"{kind['name']:<20} {counts}   p50 {p50:4.0f} ms   p95 {p95:4.0f} ms{bounds}")
    return is_good


def quantile(times: Mapping[str, int], share: float) -> float:
    """Of milliseconds and how often each was seen."""
    left = sum(times.values()) * share
    for milliseconds in sorted(times, key=float):
        left -= times[milliseconds]
        if left <= 0:
            return float(milliseconds)
    return 0


def grown(samples: list[Sample]) -> bool:
    """Compares the first third after the warm-up with the last."""
    warm = samples[int(len(samples) * WARM_SHARE) :]
    third = max(1, len(warm) // 3)
    is_grown = False
    for name in ("memory", "descriptors", "processes"):
        values = [getattr(one, name) for one in warm]
        first, last = statistics.median(values[:third]), statistics.median(values[-third:])
        is_grown |= last > first * GROWTH
        unit = " MB PSS" if name == "memory" else ""
        print(f"{name:<14} first third {first:8.0f}, last third {last:8.0f}, most {max(values):8.0f}{unit}")
    return is_grown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--downloads", type=int, default=10)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="postgres")
    parser.add_argument("--webs", type=int, default=2, help="processes of the web server on PostgreSQL")
    options = parser.parse_args()
    webs = {} if options.database == "sqlite" else {"WEB_WORKERS": str(options.webs)}
    with stand(options.database, **ENVIRONMENT, **webs) as (product, origin):
        product.wait_for_engine()
        kinds, samples = run(product, origin, options)
        deaths = product.deaths
    is_good = told(kinds)
    is_good &= not grown(samples)
    print(f"services that had to be started again: {deaths}")
    return int(not is_good or deaths > 0)


if __name__ == "__main__":
    sys.exit(main())
