"""From DELETE to cancelled with every child gone, in extraction, download and postprocessing."""

from __future__ import annotations

import time
from typing import Any

from bench.stand import line, stand
from tests.product import Product, wait_until

ROUNDS = 8
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "extraction": ("/stall/50/page/video-tag", "extracting", {}),
    "download": ("/slow/20000/clip.mp4", "downloading", {}),
    "postprocessing": (
        "/big/40000000.mp4",
        "postprocessing",
        {"video_format": "avi", "allow_recode": True},
    ),
}


def main() -> None:
    with stand() as (product, origin):
        product.wait_for(product.submit(origin.url("/clip.mp4"))["request_id"])
        for name, (path, stage, options) in CASES.items():
            seconds = [cancel(product, origin.url(path), stage, options) for _ in range(ROUNDS)]
            print(line(f"cancel during {name}", [value for value in seconds if value is not None]))


def cancel(product: Product, url: str, stage: str, options: dict[str, Any]) -> float | None:
    job_id = product.submit(url, **options)["request_id"]
    found = wait_until(lambda: reached(product, job_id, stage), 30, every=0.01)
    if found != stage:
        return None
    began = time.perf_counter()
    product.api.delete(f"/download/{job_id}")
    wait_until(lambda: product.job(job_id)["status"] == "cancelled" and not children(product, job_id), 10, every=0.005)
    return time.perf_counter() - began


def reached(product: Product, job_id: str, stage: str) -> str | None:
    found = product.job(job_id)
    return "over" if found["status"] in {"completed", "failed"} else stage if found["stage"] == stage else None


def children(product: Product, job_id: str) -> list[int]:
    """Processes that work in the job's directory."""
    return [pid for pid in product.pids() if product.works_on(pid, job_id)]


if __name__ == "__main__":
    main()
