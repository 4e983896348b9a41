"""The real product with its files in a bucket: `make ops-check` alone runs this."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.ops.bucket import BUCKET, store_server, variables
from tests.origin import Origin
from tests.product import Product, wait_until

pytestmark = pytest.mark.processes


@pytest.fixture
def endpoint() -> Iterator[str]:
    with store_server() as address:
        yield address


@pytest.fixture
def bucket(endpoint: str) -> Iterator[Any]:
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    client.close()


def test_files_go_to_the_bucket_are_read_there_and_are_deleted(
    bucket: Any, endpoint: str, origin: Origin, tmp_path: Path
) -> None:
    with Product(tmp_path, **variables(endpoint)) as product:
        job = product.wait_for(product.submit(origin.url("/clip.mp4"))["request_id"], "completed")
        (found,) = bucket.list_objects_v2(Bucket=BUCKET)["Contents"]
        assert found["Size"] == job["file_size"]
        assert [path for path in (product.data_dir / "files").rglob("*") if path.is_file()] == []

        answer = product.api.get(job["file_url"])
        assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
        part = httpx.get(answer.headers["location"], headers={"Range": "bytes=0-99"})
        assert (part.status_code, len(part.content)) == (206, 100)
        assert len(httpx.get(answer.headers["location"]).content) == job["file_size"]
        checks = {check["name"]: check["status"] for check in product.api.get("/health").json()["checks"]}
        assert checks["bucket"] == "ok"

        product.api.delete(f"/download/{job['request_id']}")
        wait_until(lambda: "Contents" not in bucket.list_objects_v2(Bucket=BUCKET), 30, what="the deletion")
        wait_until(lambda: not list((product.data_dir / "work").iterdir()), 60, what="an empty work directory")
