"""The main job over HTTP only: a URL in, the file out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from tests.origin import Origin
from tests.product import API_KEY, Product, wait_until

pytestmark = pytest.mark.processes


def complete(product: Product, url: str, **options: Any) -> dict[str, Any]:
    job = product.wait_for(product.submit(url, **options)["request_id"])
    assert job["status"] == "completed", (job["error_code"], job["error"])
    return job


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_url_goes_in_and_its_file_comes_out(product: Product, origin: Origin) -> None:
    created = product.api.post("/download", json={"url": origin.url("/page/og-video?title=A%20fine%20clip")})
    assert created.status_code == 201
    assert created.json()["status"] == "queued"
    assert created.headers["Location"].endswith(f"/api/v1/download/{created.json()['request_id']}")

    job = product.wait_for(created.json()["request_id"])
    assert (job["status"], job["progress_percent"], job["title"]) == ("completed", 100, "A fine clip")
    file = next(file for file in job["files"] if file["kind"] == "media")
    assert job["duration"] == file["duration"] == 8
    answer = product.fetch(file["file_url"])
    assert answer.status_code == 200
    assert (len(answer.content), sha256(answer.content)) == (file["size_bytes"], file["sha256"])
    assert answer.headers["Content-Type"] == "video/mp4"
    assert "A fine clip" in answer.headers["Content-Disposition"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_connection_that_was_quiet_for_a_while_is_still_there(product: Product) -> None:
    connection = HTTPConnection("127.0.0.1", product.port, timeout=10)
    for pause in (0, 6):
        time.sleep(pause)
        connection.request("GET", "/api/v1/health/live")
        answer = connection.getresponse()
        assert (answer.status, answer.read() != b"") == (200, True)
    connection.close()


@pytest.mark.promise("P14")
def test_a_file_is_fetched_in_ranges_and_conditionally(product: Product, origin: Origin) -> None:
    url = complete(product, origin.url("/clip.mp4"))["file_url"]
    whole = product.fetch(url)
    etag = whole.headers["ETag"]

    part = product.fetch(url, Range="bytes=1000-1999")
    assert (part.status_code, part.content) == (206, whole.content[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(whole.content)}"
    assert product.fetch(url, Range=f"bytes={len(whole.content)}-").status_code == 416
    assert product.fetch(url, **{"If-None-Match": etag}).status_code == 304
    assert product.fetch(url, Range="bytes=5-", **{"If-Range": '"another"'}).status_code == 200
    head = product.api.head(url)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(whole.content)))
    assert not [name for name in whole.headers if name.lower().startswith("x-accel-redirect")]


@pytest.mark.parametrize(
    "path",
    ["/hls/plain/master.m3u8", "/hls/aes/index.m3u8", "/hls/fmp4/index.m3u8", "/dash/manifest.mpd", "/page/video-tag"],
)
def test_streams_and_pages_become_one_playable_file(product: Product, origin: Origin, path: str) -> None:
    job = complete(product, origin.url(path))

    media = product.fetch(job["file_url"]).content
    assert media[4:8] == b"ftyp"
    assert len(media) > 10_000


def test_same_url_as_video_and_as_audio_gives_both(product: Product, origin: Origin) -> None:
    url = origin.url("/clip.mp4")
    video, audio = product.submit(url), product.submit(url, audio_only=True, audio_format="mp3")
    jobs = [product.wait_for(job["request_id"]) for job in (video, audio)]

    assert [job["status"] for job in jobs] == ["completed", "completed"]
    assert [job["files"][0]["mime_type"] for job in jobs] == ["video/mp4", "audio/mpeg"]


def test_two_jobs_of_one_title_keep_their_own_bytes(product: Product, origin: Origin) -> None:
    jobs = [product.submit(origin.url(f"/page/two/{number}")) for number in (1, 2)]
    done = [product.wait_for(job["request_id"]) for job in jobs]

    assert [job["status"] for job in done] == ["completed", "completed"]
    assert done[0]["title"] == done[1]["title"]
    contents = [product.fetch(job["file_url"]).content for job in done]
    assert sha256(contents[0]) != sha256(contents[1])
    assert [sha256(content) for content in contents] == [job["files"][0]["sha256"] for job in done]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/status/404/clip.mp4", "not_found"),
        ("/html-as.mp4", "unsafe_content"),
        ("/playlist-as.mp4", "unsafe_content"),
    ],
)
def test_a_permanent_failure_is_told_with_its_code_and_remedy(
    product: Product, origin: Origin, path: str, code: str
) -> None:
    job = product.wait_for(product.submit(origin.url(path))["request_id"])

    assert (job["status"], job["error_code"]) == ("failed", code)
    assert job["remedy"]
    assert job["retryable"] is False
    assert job["files"] == []


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest/meta-data/", "http://10.255.255.1/clip.mp4", "http://[::ffff:10.0.0.1]/clip.mp4"],
)
def test_an_internal_address_is_blocked(product: Product, url: str) -> None:
    job = product.wait_for(product.submit(url)["request_id"])

    assert (job["status"], job["error_code"]) == ("failed", "url_blocked")


def test_a_redirect_to_an_internal_address_is_blocked(product: Product, origin: Origin) -> None:
    url = origin.url("/redirect-to?url=http://169.254.169.254/clip.mp4")
    job = product.wait_for(product.submit(url)["request_id"])

    assert (job["status"], job["error_code"]) == ("failed", "url_blocked")


def test_a_passing_failure_waits_for_its_retry(product: Product, origin: Origin) -> None:
    job_id = product.submit(origin.url("/status/503/clip.mp4"))["request_id"]

    job = wait_until(lambda: (found := product.job(job_id))["error_code"] and found, 30)
    assert job["status"] == "queued"
    assert job["next_attempt_at"]
    product.api.delete(f"/download/{job_id}")


def test_cancelling_a_download_ends_its_processes_and_takes_its_bytes(product: Product, origin: Origin) -> None:
    job_id = product.submit(origin.url("/slow/20000/clip.mp4"))["request_id"]
    wait_until(lambda: product.job(job_id)["stage"] == "downloading", 30)
    work = product.data_dir / "work" / job_id
    assert work.is_dir()

    began = time.monotonic()
    assert product.api.delete(f"/download/{job_id}").json()["status"] == "cancelled"
    wait_until(lambda: not any(product.works_on(pid, job_id) for pid in product.pids()), 5)
    assert time.monotonic() - began < 3
    wait_until(lambda: not work.exists(), 10)
    assert product.job(job_id)["status"] == "cancelled"


@pytest.mark.promise("P17")
def test_pausing_keeps_the_partial_file_and_resuming_goes_on_from_it(product: Product, origin: Origin) -> None:
    job_id = product.submit(origin.url("/slow/40000/clip.mp4"))["request_id"]
    work = product.data_dir / "work" / job_id
    wait_until(lambda: any(part.stat().st_size for part in work.rglob("*.part")), 30)
    assert product.api.post(f"/download/{job_id}/pause").json()["status"] == "paused"
    wait_until(lambda: not any(product.works_on(pid, job_id) for pid in product.pids()), 5)
    assert any(part.stat().st_size for part in work.rglob("*.part"))

    assert product.api.post(f"/download/{job_id}/resume").json()["status"] == "queued"
    assert product.wait_for(job_id)["status"] == "completed"


def test_progress_streams_as_events_and_never_goes_back(product: Product, origin: Origin) -> None:
    job_id = product.submit(origin.url("/slow/40000/clip.mp4"))["request_id"]

    with httpx.stream(
        "GET",
        f"{product.api.base_url}download/{job_id}/events",
        headers={"X-API-Key": API_KEY},
        timeout=30,
        trust_env=False,
    ) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        percents = [job["progress_percent"] for job in streamed_jobs(stream.iter_lines())]

    assert percents == sorted(percents)
    assert percents[-1] == 100
    # It takes four seconds, and is told of once a second.
    assert len({percent for percent in percents if 0 < percent < 95}) >= 2


def streamed_jobs(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The job in each message, until the stream says that it ends."""
    for line in lines:
        field, _, value = line.partition(": ")
        if (field, value) == ("event", "end"):
            return
        if field == "data":
            yield json.loads(value)["data"]


def test_waiting_for_a_change_answers_when_it_happens(product: Product, origin: Origin) -> None:
    job_id = product.submit(origin.url("/slow/100000/clip.mp4"))["request_id"]
    began = time.monotonic()
    while product.api.get(f"/download/{job_id}", params={"wait": 20}).json()["status"] != "completed":
        assert time.monotonic() - began < 30


def test_the_log_tells_what_the_engine_did(product: Product, origin: Origin) -> None:
    job_id = complete(product, origin.url("/clip.mp4"))["request_id"]

    log = product.api.get(f"/download/{job_id}/logs").json()
    assert log["total_count"] == len(log["logs"]) > 0
    assert set(log["logs"][0]) == {"timestamp", "level", "message"}


def test_files_go_on_time_and_the_row_says_so(product: Product, origin: Origin) -> None:
    job = complete(product, origin.url("/clip.mp4"), retention_hours=0.001)
    assert job["deletion_time"]

    answer = wait_until(lambda: (found := product.fetch(job["file_url"])).status_code == 410 and found, 60, every=0.5)
    assert answer.json()["code"] == "file_expired"
    wait_until(lambda: not (product.data_dir / "files" / job["request_id"]).exists(), 5)


def test_deleting_a_finished_job_takes_its_files_at_once(product: Product, origin: Origin) -> None:
    job = complete(product, origin.url("/clip.mp4"))
    directory = product.data_dir / "files" / job["request_id"]
    assert directory.is_dir()

    assert product.api.delete(f"/download/{job['request_id']}").status_code == 200
    assert not directory.exists()
    assert product.api.get(f"/download/{job['request_id']}").status_code == 404


def test_subtitles_thumbnail_and_info_come_along(product: Product, origin: Origin) -> None:
    job = complete(
        product,
        origin.url("/hls/subs/master.m3u8"),
        download_subtitles=True,
        subtitle_languages=["en", "de"],
        write_info_json=True,
    )

    kinds = sorted(file["kind"] for file in job["files"])
    assert kinds == ["info_json", "media", "subtitle", "subtitle"]
    assert {file["language"] for file in job["files"] if file["kind"] == "subtitle"} == {"en", "de"}
    info = next(file for file in job["files"] if file["kind"] == "info_json")
    assert "http_headers" not in product.fetch(info["file_url"]).text


@pytest.mark.promise("P6")
def test_the_store_agrees_with_its_rows(product: Product, origin: Origin) -> None:
    complete(product, origin.url("/clip.mp4"))

    wait_until(lambda: audit(product), 60, every=1, what="a clean audit")


def audit(product: Product) -> bool:
    import subprocess
    import sys

    from tests.product import ROOT

    command = [sys.executable, str(ROOT / "manage.py"), "storage_audit"]
    return subprocess.run(command, env=product.environment, capture_output=True, check=False).returncode == 0
