"""Looks at pages through the real product: web, probe lane, engine, guard."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.origin import Origin
from tests.product import API_KEY, Product, wait_until

pytestmark = pytest.mark.processes


def look(product: Product, path: str, url: str, **query: Any) -> dict[str, Any]:
    answer = product.api.get(path, params={"url": url, **query})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def problem(product: Product, path: str, url: str) -> tuple[int, str]:
    answer = product.api.get(path, params={"url": url})
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_shows_the_formats_of_a_page(product: Product, origin: Origin) -> None:
    url = origin.url("/page/og-video?title=Only%20looked%20at")
    found = look(product, "/formats", url)
    assert (found["url"], found["title"], found["extractor"]) == (url, "Only looked at", "generic")
    assert [item["ext"] for item in found["formats"]["combined"]] == ["mp4"]
    assert found["recommended_format"] == found["formats"]["combined"][0]["format_id"]


def test_estimates_a_download_without_making_a_job(product: Product, origin: Origin) -> None:
    url = origin.url("/hls/plain/master.m3u8")
    before = product.api.get("/me").json()["usage"]
    wanted = {"url": url, "quality": "360p", "video_format": "webm"}

    def asked() -> httpx.Response | None:
        found = product.api.post("/download/estimate", json=wanted)
        return None if found.status_code == 202 else found

    answer: httpx.Response = wait_until(asked, 60, what="the estimate")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["allowed"], body["reasons"], body["available"]) == (True, [], True)
    assert [part["height"] for part in body["formats"]] == [180]
    assert body["size_bytes"] > 0
    assert not [name for name in answer.headers if name.lower().startswith("x-accel")]
    assert product.api.get("/me").json()["usage"] == before


def test_shows_the_formats_of_hls(product: Product, origin: Origin) -> None:
    found = look(product, "/formats", origin.url("/hls/plain/master.m3u8"))
    assert [item["height"] for item in found["formats"]["combined"]] == [90, 180]
    assert found["duration"] == pytest.approx(8, abs=0.5)
    presets = {preset["quality"]: preset for preset in found["presets"]}
    assert presets["360p"]["available"]
    assert not presets["1080p"]["available"]
    assert presets["best"]["format"] == found["best_video_format"]
    assert presets["best"]["size_bytes"] > 0


def test_shows_the_formats_of_dash_and_what_they_hold(product: Product, origin: Origin) -> None:
    found = look(product, "/formats", origin.url("/dash/manifest.mpd"))
    assert [item["height"] for item in found["formats"]["video_only"]] == [90, 180]
    assert [item["acodec"][:4] for item in found["formats"]["audio_only"]] == ["mp4a"]
    assert found["recommended_format"] == f"{found['best_video_format']}+{found['best_audio_format']}"


def test_lists_subtitles(product: Product, origin: Origin) -> None:
    found = look(product, "/metadata", origin.url("/page/subtitles"))
    assert found["subtitles"] == {"en": [{"ext": "vtt", "name": None}], "de": [{"ext": "vtt", "name": None}]}


def test_tells_metadata_as_a_table(product: Product, origin: Origin) -> None:
    url = origin.url("/page/og-video?title=%3DSUM(A1)&description=One%2C%20two")
    answer = product.api.get("/metadata", params={"url": url, "format": "csv"}, headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(answer.text.splitlines())
    assert (row["url"], row["title"], row["description"]) == (url, "'=SUM(A1)", "One, two")


def test_a_second_page_of_a_list_costs_no_look(product: Product, origin: Origin) -> None:
    url = origin.url("/rss.xml?n=5&read=once")
    pages = [look(product, "/playlist/preview", url, page=page, page_size=2) for page in (1, 2, 3, 4)]
    assert [[video["title"] for video in page["videos"]] for page in pages] == [
        ["Episode 1", "Episode 2"],
        ["Episode 3", "Episode 4"],
        ["Episode 5"],
        [],
    ]
    assert [(page["has_previous"], page["has_next"]) for page in pages[:3]] == [
        (False, True),
        (True, True),
        (True, False),
    ]
    assert {(page["playlist_title"], page["total_videos"], page["total_pages"]) for page in pages} == {
        ("A podcast", 5, 3)
    }
    assert pages[0]["videos"][0]["url"] == origin.url("/item/1.mp4")
    assert len([request for request in origin.requests_of("/rss.xml") if "read=once" in request.query]) == 1


def test_previews_the_videos_of_one_page(product: Product, origin: Origin) -> None:
    url = origin.url("/page/playlist?n=3")
    found = look(product, "/playlist/preview", url)
    assert [(video["playlist_index"], video["url"]) for video in found["videos"]] == [(1, url), (2, url), (3, url)]


def test_filters_and_sorts_a_channel(product: Product, origin: Origin) -> None:
    found = look(
        product,
        "/channel/info",
        origin.url("/rss.xml?n=6"),
        date_after="20260103",
        date_before="20260105",
        sort_by="upload_date",
    )
    assert [video["upload_date"] for video in found["videos"]] == ["20260105", "20260104", "20260103"]
    assert found["channel"]["channel_name"] == "A podcast"
    assert found["channel"]["video_count"] == 6
    assert found["filters_applied"] == {"date_after": "20260103", "date_before": "20260105", "sort_by": "upload_date"}


@pytest.mark.parametrize("path", ["/playlist/preview", "/channel/info"])
def test_a_single_video_is_no_list(product: Product, origin: Origin, path: str) -> None:
    assert problem(product, path, origin.url("/clip.mp4")) == (400, "unsupported_url")


def test_failures_have_the_codes_of_jobs(product: Product, origin: Origin) -> None:
    expected = {
        "http://10.1.2.3/clip.mp4": (400, "url_blocked"),
        origin.url("/page/playlist?n=0"): (400, "unsupported_url"),
        origin.url("/status/404/clip.mp4"): (404, "not_found"),
        origin.url("/status/503/clip.mp4"): (502, "origin_unavailable"),
        origin.url("/status/429/clip.mp4?retry_after=7"): (429, "rate_limited"),
    }
    with ThreadPoolExecutor(len(expected)) as pool:
        found = dict(zip(expected, pool.map(lambda url: problem(product, "/formats", url), expected), strict=True))
    assert found == expected
    answer = product.api.get("/formats", params={"url": origin.url("/status/429/clip.mp4?retry_after=7")})
    assert answer.headers["Retry-After"] == "7"


def test_fifty_that_ask_the_same_share_one_look(product: Product, origin: Origin) -> None:
    url = origin.url("/page/og-video?title=shared&latency_ms=300")

    def ask(number: int) -> str:
        with httpx.Client(base_url=product.api.base_url, headers={"X-API-Key": API_KEY}, timeout=30) as client:
            answer = client.get(("/formats", "/metadata")[number % 2], params={"url": url})
            return str(answer.json()["title"])

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(ask, range(50))) == {"shared"}
    fetched = [request for request in origin.requests_of("/page/og-video") if "title=shared" in request.query]
    assert len(fetched) == 1


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Waits no longer than a second for an answer, and looks at one page at a time, for six seconds at most."""
    environment = {"PROBE_WAIT_SECONDS": "1", "PROBE_TIMEOUT_SEC": "6", "PROBE_WORKERS": "1"}
    with Product(tmp_path_factory.mktemp("hasty"), **environment) as running:
        yield running


def ended(product: Product, probe_id: str) -> dict[str, Any]:
    def look_again() -> dict[str, Any] | None:
        probe = product.api.get(f"/probe/{probe_id}", params={"wait": 20}).json()
        return dict(probe) if probe["status"] in {"done", "failed"} else None

    found: dict[str, Any] = wait_until(look_again, 60, what="the probe's end")
    return found


def test_what_takes_long_can_be_followed(hasty: Product, origin: Origin) -> None:
    product = hasty
    url = origin.url("/page/og-video?title=patience&latency_ms=2500")
    answer = product.api.get("/formats", params={"url": url})
    assert answer.status_code == 202
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Location"] == f"/api/v1/probe/{answer.json()['probe_id']}"
    assert answer.json()["status"] in {"queued", "running"}

    followed = ended(product, answer.json()["probe_id"])
    assert followed["status"] == "done"
    assert followed["result"]["formats"]["title"] == followed["result"]["metadata"]["title"] == "patience"
    assert look(product, "/formats", url) == followed["result"]["formats"]


def test_a_site_that_never_answers_is_given_up(hasty: Product, origin: Origin) -> None:
    url = origin.url("/stall/0/page/og-video")
    probe = ended(hasty, hasty.api.get("/formats", params={"url": url}).json()["probe_id"])
    assert (probe["status"], probe["error_code"]) == ("failed", "timeout")
    assert problem(hasty, "/formats", url) == (504, "timeout")


def test_a_lost_worker_is_made_good(hasty: Product, origin: Origin) -> None:
    url = origin.url("/page/og-video?title=again&latency_ms=2000")
    probe_id = hasty.api.get("/formats", params={"url": url}).json()["probe_id"]
    wait_until(lambda: hasty.api.get(f"/probe/{probe_id}").json()["status"] == "running", 30)
    (pid,) = workers_of_the_lane(hasty)
    os.kill(pid, signal.SIGKILL)
    assert ended(hasty, probe_id)["status"] == "done"


def workers_of_the_lane(product: Product) -> list[int]:
    return [pid for pid, title in product.pids().items() if "run_probes" in title]
