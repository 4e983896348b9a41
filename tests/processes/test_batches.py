"""A playlist through the real product: read, downloaded, fetched as one archive."""

from __future__ import annotations

import io
import itertools
import time
import zipfile
from typing import Any

import pytest

from tests.origin import Origin
from tests.product import Product, wait_until

pytestmark = pytest.mark.processes


_runs = itertools.count(10_000_001)


def own() -> str:
    """A prefix that no other test has: what one fetches, the next would skip as had already."""
    return f"/slow/{next(_runs)}"


def ended(product: Product, batch_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        batch = product.api.get(f"/batch/{batch_id}").json()
        return dict(batch) if batch["completed_at"] else None

    found: dict[str, Any] = wait_until(look, 90, what="the batch's end")
    return found


def test_a_playlist_becomes_files_and_an_archive_and_is_not_fetched_twice(product: Product, origin: Origin) -> None:
    url = origin.url(f"/rss.xml?n=6&prefix={own()}")
    wanted = {"url": url, "items": "2-3,5", "reverse_playlist": True}
    began = time.monotonic()
    answer = product.api.post("/playlist/download", json=wanted)
    assert time.monotonic() - began < 10, "it does not wait for the list"
    assert (answer.status_code, answer.json()["status"]) == (201, "expanding")

    batch = ended(product, answer.json()["batch_id"])
    assert (batch["status"], batch["title"], batch["completed"]) == ("completed", "A podcast", 3), batch
    job = product.api.get(f"/download/{batch['jobs'][0]['request_id']}").json()
    assert (job["metadata"]["playlist"], job["metadata"]["playlist_index"]) == ("A podcast", 2)
    assert job["file_path"].startswith("playlists/A podcast/002-")

    archive = product.api.get(batch["archive_url"])
    assert archive.status_code == 200
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert opened.testzip() is None
        assert [name[:4] for name in opened.namelist()] == ["002-", "003-", "005-"]
    headers = {"Range": "bytes=1000-", "If-Range": archive.headers["ETag"]}
    rest = product.api.get(batch["archive_url"], headers=headers)
    assert (rest.status_code, rest.content) == (206, archive.content[1000:])

    again = product.api.post("/playlist/download", json=wanted | {"items": "1-3"}).json()
    second = ended(product, again["batch_id"])
    assert (second["skipped"], second["total_urls"]) == (2, 1), second


def test_a_page_with_several_videos_gives_each_once(product: Product, origin: Origin) -> None:
    url = origin.url("/page/playlist?n=3")
    made = product.api.post("/playlist/download", json={"url": url, "skip_downloaded": False}).json()
    batch = ended(product, made["batch_id"])
    assert batch["completed"] == 3, batch
    jobs = [product.api.get(f"/download/{job['request_id']}").json() for job in batch["jobs"]]
    assert len({job["metadata"]["id"] for job in jobs}) == 3


def test_a_list_that_is_none_fails_the_batch(product: Product, origin: Origin) -> None:
    made = product.api.post("/channel/download", json={"url": origin.url("/clip.mp4")}).json()
    batch = ended(product, made["batch_id"])
    assert (batch["status"], batch["error_code"], batch["jobs"]) == ("failed", "unsupported_url", [])


def test_links_of_one_batch_keep_its_limit(product: Product, origin: Origin) -> None:
    prefix = own()
    urls = [origin.url(f"{prefix}/item/{number}.mp4") for number in range(1, 4)]
    made = product.api.post(
        "/batch/download", json={"urls": [*urls, origin.url("/status/404/a.mp4")], "concurrent_limit": 1}
    )
    batch = ended(product, made.json()["batch_id"])
    assert (batch["status"], batch["completed"], batch["failed"]) == ("completed", 3, 1), batch
