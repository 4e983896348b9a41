"""The real product behind Debian's nginx with the configuration of ops/: `make ops-check` alone runs this."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.ops.nginx import nginx
from tests.origin import Origin
from tests.product import API_KEY, Product, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.needs("nginx")]

# nginx's own, or of the message and not of the answer; `allow` is of no use to a 200.
OF_NGINX = {"allow", "server", "date", "connection", "content-length", "etag", "last-modified", "x-accel-redirect"}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("behind-nginx"), X_ACCEL_PASSTHROUGH="true", PROXY_COUNT="1") as running:
        yield running.wait_for_engine()


@pytest.fixture(scope="module")
def front(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    directory = tmp_path_factory.mktemp("nginx")
    with (
        nginx(directory, upstream=product.port, files=product.data_dir / "files") as address,
        httpx.Client(base_url=address, headers={"X-API-Key": API_KEY}, timeout=30, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def job(product: Product, origin: Origin) -> dict[str, Any]:
    return finished(product, origin)


def finished(product: Product, origin: Origin, **options: Any) -> dict[str, Any]:
    done = product.wait_for(product.submit(origin.url("/clip.mp4"), **options)["request_id"], "completed")
    # Addresses are relative to the API's root for the clients below.
    done["path"] = httpx.URL(done["file_url"]).raw_path.decode()
    return done


def test_nginx_sends_the_bytes_under_every_header_of_ours(
    product: Product, front: httpx.Client, job: dict[str, Any]
) -> None:
    ours = product.api.get(f"http://127.0.0.1:{product.port}{job['path']}")
    answer = front.get(job["path"])
    assert ours.headers["x-accel-redirect"].startswith("/_protected/")
    assert ours.content == b""
    assert (answer.status_code, len(answer.content)) == (200, job["file_size"])
    assert answer.headers["server"] == "nginx"
    different = {
        name: (value, answer.headers.get(name))
        for name, value in ours.headers.items()
        if name not in OF_NGINX | {"x-request-id", "ratelimit"} and answer.headers.get(name) != value
    }
    assert different == {}
    assert {"x-request-id", "ratelimit"} <= set(answer.headers)
    assert [name for name in answer.headers if name.startswith("x-accel")] == []


def test_nginx_resumes_and_compares(front: httpx.Client, job: dict[str, Any]) -> None:
    whole = front.get(job["path"])
    part = front.get(job["path"], headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole.content[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{job['file_size']}"
    assert part.headers["content-security-policy"].startswith("sandbox")
    tag = whole.headers["etag"]
    rest = front.get(job["path"], headers={"Range": "bytes=5000-", "If-Range": tag})
    assert (rest.status_code, rest.content) == (206, whole.content[5000:])
    anew = front.get(job["path"], headers={"Range": "bytes=5000-", "If-Range": '"another"'})
    assert (anew.status_code, anew.content) == (200, whole.content)
    assert front.get(job["path"], headers={"If-None-Match": tag}).status_code == 304
    assert front.get(job["path"], headers={"Range": "bytes=999999999-"}).status_code == 416
    head = front.head(job["path"])
    assert (head.status_code, head.headers["content-length"]) == (200, str(job["file_size"]))


def test_nginx_sends_what_a_link_leads_to_and_its_downloads_are_counted(
    product: Product, front: httpx.Client, job: dict[str, Any]
) -> None:
    address = f"/files/{job['files'][0]['file_id']}/links"
    link = product.api.post(address, json={"max_downloads": 1}).json()
    path = httpx.URL(link["url"]).raw_path.decode()
    with httpx.Client(base_url=front.base_url, timeout=30, trust_env=False) as anybody:
        whole = anybody.get(path)
        assert (whole.status_code, len(whole.content), whole.headers["server"]) == (200, job["file_size"], "nginx")
        assert whole.headers["cross-origin-resource-policy"] == "cross-origin"
        assert whole.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in whole.headers["x-robots-tag"]
        assert whole.headers["cache-control"] == "private, no-store"
        part = anybody.get(path, headers={"Range": "bytes=5000-", "If-Range": whole.headers["etag"]})
        assert (part.status_code, part.content) == (206, whole.content[5000:])
        assert anybody.get(path).json()["code"] == "link_used_up"
    assert product.api.get(f"/links/{link['link_id']}").json()["download_count"] == 1


def test_nobody_reaches_files_by_their_place(front: httpx.Client, job: dict[str, Any], product: Product) -> None:
    found = next((product.data_dir / "files").rglob("*.mp4"))
    place = found.relative_to(product.data_dir / "files")
    for path in (f"/_protected/{place}", f"/_protected/../_protected/{place}", "/_protected/"):
        assert front.get(path).status_code == 404
    assert front.get(job["path"], headers={"X-API-Key": "mdl_nobody"}).status_code == 401


def test_a_file_that_goes_when_it_was_fetched_goes(product: Product, front: httpx.Client, origin: Origin) -> None:
    job = finished(product, origin, delete_after_download=True)
    assert len(front.get(job["path"]).content) == job["file_size"]
    wait_until(lambda: front.get(job["path"]).status_code == 410, 30, what="the deletion")


def test_the_archive_of_a_batch_is_put_together_behind_nginx_and_can_be_resumed(
    product: Product, front: httpx.Client, origin: Origin
) -> None:
    """Files one by one are nginx's to send; those of an archive pass through it."""
    body = {"urls": [origin.url(f"/item/{number}.mp4") for number in (501, 502)], "embed_metadata": False}
    batch = product.api.post("/batch/download", json=body).json()["batch_id"]
    wait_until(lambda: product.api.get(f"/batch/{batch}").json()["status"] == "completed", 60, what="the batch")

    whole = front.get(f"/api/v1/batch/{batch}/archive")
    assert (whole.status_code, whole.headers["server"]) == (200, "nginx")
    assert [name for name in whole.headers if name.startswith("x-accel")] == []
    with zipfile.ZipFile(io.BytesIO(whole.content)) as archive:
        found = {hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    assert {origin.sha256(f"/item/{number}.mp4") for number in (501, 502)} <= found

    headers = {"Range": "bytes=100000-", "If-Range": whole.headers["etag"]}
    rest = front.get(f"/api/v1/batch/{batch}/archive", headers=headers)
    assert (rest.status_code, rest.content) == (206, whole.content[100_000:])


def test_events_arrive_when_they_happen(product: Product, front: httpx.Client, origin: Origin) -> None:
    with front.stream("GET", "/api/v1/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        next(lines)
        submitted = product.submit(origin.url("/clip.mp4"))["request_id"]
        began = time.monotonic()
        assert any(submitted in line for line in lines)
    assert time.monotonic() - began < 20


def test_bodies_are_limited_by_us_and_far_above_that_by_nginx(front: httpx.Client) -> None:
    ours = front.post("/api/v1/download", content=b" " * 1_500_000, headers={"Content-Type": "application/json"})
    assert (ours.status_code, ours.headers["content-type"]) == (413, "application/problem+json")
    assert front.post("/api/v1/download", content=b" " * 3_000_000).status_code == 413
