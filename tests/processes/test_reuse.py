"""Two who ask for the same: one fetch, and files that live and go apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.origin import Origin
from tests.product import Product, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("product"), DOWNLOAD_REUSE_SECONDS="300") as running:
        yield running.wait_for_engine()


def submit(product: Product, url: str, **options: Any) -> str:
    """Of media that are left as they come."""
    return str(product.submit(url, embed_metadata=False, **options)["request_id"])


def digest(product: Product, job: dict[str, Any]) -> str:
    return hashlib.sha256(product.fetch(job["file_url"]).content).hexdigest()


def fetches(origin: Origin, path: str) -> int:
    return len([request for request in origin.requests_of(path) if request.method == "GET"])


def test_what_is_asked_for_meanwhile_and_afterwards_is_fetched_once(product: Product, origin: Origin) -> None:
    path = "/slow/50000/item/71.mp4"
    jobs = [submit(product, origin.url(path)) for _ in range(3)]
    wait_until(lambda: product.job(jobs[0])["downloaded_bytes"] > 0, 30)
    before = fetches(origin, path)
    done = [product.wait_for(job, "completed", seconds=90) for job in jobs]
    done.append(product.wait_for(submit(product, origin.url(path)), "completed"))
    assert fetches(origin, path) == before
    assert {digest(product, job) for job in done} == {origin.sha256("/item/71.mp4")}
    assert len({job["file_url"] for job in done}) == len(done)

    product.api.delete(f"/download/{jobs[0]}")
    assert product.fetch(done[0]["file_url"]).status_code in (404, 410)
    link = product.api.post(f"/files/{done[1]['files'][0]['file_id']}/links", json={}).json()
    for address in (done[1]["file_url"], link["url"]):
        part = product.fetch(address, Range="bytes=100-199")
        assert (part.status_code, len(part.content)) == (206, 100)
    log = product.api.get(f"/download/{jobs[1]}/logs").json()["logs"]
    assert any(jobs[0] in line["message"] for line in log)

    own = product.wait_for(submit(product, origin.url(path), reuse=False), "completed")
    assert fetches(origin, path) > before
    assert digest(product, own) == digest(product, done[1])


def test_who_waits_goes_on_alone_when_the_first_is_cancelled(product: Product, origin: Origin) -> None:
    path = "/slow/40000/item/72.mp4"
    first, second = (submit(product, origin.url(path)) for _ in range(2))
    wait_until(lambda: product.job(first)["downloaded_bytes"] > 0, 30)
    assert product.job(second)["status"] == "queued"
    product.api.delete(f"/download/{first}")
    done = product.wait_for(second, "completed", seconds=90)
    assert digest(product, done) == origin.sha256("/item/72.mp4")
    assert product.job(first)["status"] == "cancelled"
