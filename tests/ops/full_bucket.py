"""The real product with its files in a bucket: `make ops-check` alone runs this."""

from __future__ import annotations

import io
import zipfile
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


def test_a_batch_is_one_zip_out_of_the_bucket(bucket: Any, endpoint: str, origin: Origin, tmp_path: Path) -> None:
    with Product(tmp_path, **variables(endpoint)) as product:
        links = [origin.url(f"/page/og-video?title=Number%20{number}") for number in (1, 2)]
        made = product.api.post("/batch/download", json={"urls": [*links, origin.url("/status/404/clip.mp4")]})
        batch = f"/batch/{made.json()['batch_id']}"
        done = wait_until(lambda: (now := product.api.get(batch).json())["completed_at"] and now, 120, what="its end")
        whole = product.api.get(done["archive_url"])
        assert whole.status_code == 200
        with zipfile.ZipFile(io.BytesIO(whole.content)) as opened:
            assert opened.testzip() is None
            assert len(opened.namelist()) == 3
            sizes = {entry.file_size for entry in opened.infolist()[:2]}
        assert sizes == {entry["Size"] for entry in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]}
        part = product.api.get(done["archive_url"], headers={"Range": "bytes=1000-", "If-Range": whole.headers["etag"]})
        assert (part.status_code, part.content) == (206, whole.content[1000:])
