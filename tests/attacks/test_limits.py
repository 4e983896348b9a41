"""S12: limits hold under parallel requests and on what really arrives."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.attacks.hostile import HostileSite
from tests.origin import Origin
from tests.postgres import throwaway_postgres
from tests.product import API_KEY, Product, wait_until

pytestmark = [pytest.mark.promise("S12"), pytest.mark.processes, pytest.mark.timeout(240)]

POSTS, ALLOWED, CLIENTS = 200, 20, 40
LIMIT_BYTES = 600_000
SEGMENT_BYTES = 500_000
TOLERANCE = 1.1


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with throwaway_postgres() as url:
        environment = {"DATABASE_URL": url, "WEB_WORKERS": "2", "RATE_LIMIT_PER_MINUTE": str(ALLOWED)}
        with Product(tmp_path_factory.mktemp("limited"), **environment) as running:
            yield running


def test_of_two_hundred_at_once_twenty_are_taken(limited: Product, origin: Origin) -> None:
    """By two web processes, on connections of their own that all start together."""
    barrier, address = threading.Barrier(CLIENTS), origin.url("/clip.mp4")

    def post(_: int) -> list[httpx.Response]:
        with httpx.Client(base_url=limited.api.base_url, headers={"X-API-Key": API_KEY}, timeout=60) as client:
            client.get("/health/live")
            barrier.wait(30)
            return [client.post("/download", json={"url": address}) for _ in range(POSTS // CLIENTS)]

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = [answer for answers in pool.map(post, range(CLIENTS)) for answer in answers]
    took = time.monotonic() - began
    accepted = Counter(answer.status_code for answer in answers)
    assert set(accepted) == {201, 429}
    # The bucket fills again while the requests go on: one more for each three seconds that they took.
    assert accepted[201] - ALLOWED in range(int(took * ALLOWED / 60) + 1)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert {answer.json()["code"] for answer in refused} == {"rate_limit_exceeded"}
    assert limited.api.get("/stats").json()["total_jobs"] == accepted[201]


@pytest.mark.parametrize(
    "path",
    ["/chunked/big/50000000.mp4", "/nolength/big/50000000.mp4", "/big/50000000.mp4", "/lie/-49000000/big/50000000.mp4"],
)
def test_no_more_is_kept_than_the_limit_says(product: Product, origin: Origin, path: str) -> None:
    job = product.submit(origin.url(f"/slow/4000000{path}"), max_size_bytes=LIMIT_BYTES)
    most = watched(product, job["request_id"])
    told = product.wait_for(job["request_id"])
    assert told["status"] == "failed"
    assert told["error_code"] in {"too_large", "network_error", "unsafe_content"}
    assert most <= LIMIT_BYTES * TOLERANCE + 256 * 1024  # a block of the reader is on its way when the limit is seen


def test_segments_together_are_bounded_too(product: Product, media_dir: Path) -> None:
    """Forty of half a megabyte, eight at a time and as fast as loopback is."""
    segment = (media_dir / "hls/plain/high-0.ts").read_bytes()
    segment *= SEGMENT_BYTES // len(segment)
    with HostileSite() as site:
        names = [site.put(f"/{number}.ts", "video/mp2t", segment) for number in range(40)]
        entries = "".join(f"#EXTINF:2.0,\n{name}\n" for name in names)
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n{entries}#EXT-X-ENDLIST\n"
        address = site.put("/index.m3u8", "application/vnd.apple.mpegurl", playlist)
        job = product.submit(address, max_size_bytes=10 * SEGMENT_BYTES)
        most = watched(product, job["request_id"])
        told = product.wait_for(job["request_id"])
    assert (told["status"], told["error_code"]) == ("failed", "too_large")
    assert most <= 10 * SEGMENT_BYTES * TOLERANCE + 8 * SEGMENT_BYTES


def watched(product: Product, job_id: str) -> int:
    """The most bytes that ever lay in the job's directory."""
    work, most = product.data_dir / "work" / job_id, 0

    def is_over() -> bool:
        nonlocal most
        most = max(most, size_of(work))
        return product.job(job_id)["status"] not in {"queued", "running"}

    wait_until(is_over, 60, every=0.01)
    return most


def size_of(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # it went while it was looked at
            continue
    return total


def test_a_small_page_that_becomes_a_large_one_is_stopped(product: Product, origin: Origin) -> None:
    job = product.submit(origin.url("/gzipbomb"))
    most = watched(product, job["request_id"])
    told = product.wait_for(job["request_id"])
    assert told["status"] == "failed"
    assert most < 1_000_000


def test_a_download_ends_when_its_time_is_over(product: Product, origin: Origin) -> None:
    """Sixty seconds is the least that can be asked for; the operator's own bound is tested in the engine's tests."""
    answer = product.api.post("/download", json={"url": origin.url("/clip.mp4"), "timeout_sec": 59})
    assert answer.status_code == 400
