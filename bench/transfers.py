"""A 1 GB file beside curl through nothing, and HLS with 20 ms a fragment beside yt-dlp's own defaults."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

from bench.stand import stand, timed
from tests.origin import Origin
from tests.product import Product

GIGABYTE = 1_000_000_000
ROUNDS = 3
HLS = "/hls/many/index.m3u8?latency_ms=20"


def main() -> None:
    with stand() as (product, origin):
        product.wait_for(product.submit(origin.url("/clip.mp4"))["request_id"])
        gigabyte(product, origin)
        hls(product, origin)


def gigabyte(product: Product, origin: Origin) -> None:
    url = origin.url(f"/big/{GIGABYTE}.mp4")
    curls, transfers, jobs = [], [], []
    for _ in range(ROUNDS):
        curls.append(curl(url))
        transfer, whole = job(product, url)
        transfers.append(transfer)
        jobs.append(whole)
    base, moved, whole = (statistics.median(values) for values in (curls, transfers, jobs))
    print(
        f"1 GB: curl alone {GIGABYTE / base / 1e6:.0f} MB/s; through guard and child {GIGABYTE / moved / 1e6:.0f} MB/s"
    )
    print(f"      ratio of the transfer {base / moved:.2f}; of the whole job with its hash {base / whole:.2f}")


def curl(url: str) -> float:
    with tempfile.NamedTemporaryFile() as target:
        return timed(lambda: subprocess.run(["curl", "-sS", "--noproxy", "*", "-o", target.name, url], check=True))


def job(product: Product, url: str) -> tuple[float, float]:
    """Seconds of the downloading stage, and from start to completed."""
    began = time.perf_counter()
    job_id = product.submit(url)["request_id"]
    stages: dict[str, float] = {}
    while (found := product.job(job_id))["status"] not in {"completed", "failed"}:
        stages.setdefault(found["stage"] or "", time.perf_counter())
        time.sleep(0.01)
    ended = time.perf_counter()
    if found["status"] != "completed":
        raise RuntimeError(found["error"])
    product.api.delete(f"/download/{job_id}")
    after = [moment for stage, moment in stages.items() if stage in {"postprocessing", "publishing"}]
    return min(after, default=ended) - stages.get("downloading", began), ended - began


def hls(product: Product, origin: Origin) -> None:
    url = origin.url(HLS)
    theirs, ours = [], []
    for _ in range(ROUNDS):
        theirs.append(timed(lambda: plain(url)))
        ours.append(job(product, url)[1])
    base, whole = statistics.median(theirs), statistics.median(ours)
    print(f"HLS, 20 ms a fragment: yt-dlp's defaults {base:.2f} s, job {whole:.2f} s, ratio {base / whole:.1f}")


def plain(url: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        command = [
            sys.executable,
            "-m",
            "yt_dlp",
            "-q",
            "--proxy",
            "",
            "--ignore-config",
            "-o",
            f"{directory}/x.%(ext)s",
        ]
        subprocess.run([*command, url], check=True)


if __name__ == "__main__":
    main()
