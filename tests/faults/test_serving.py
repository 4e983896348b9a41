"""A client that loses its connection again and again ends with the bytes that it would have had at once."""

from __future__ import annotations

import hashlib
import random

import httpx
import pytest

from tests.faults.oracles import Oracle
from tests.product import API_KEY

pytestmark = [pytest.mark.promise("P14"), pytest.mark.faults]

CUTS = 200
SIZE = 4_000_000


def test_two_hundred_cuts_resumed_by_range_give_the_same_bytes(shared_oracle: Oracle) -> None:
    path = f"/big/{SIZE}.mp4"
    job = shared_oracle.product.wait_for(shared_oracle.submit(path))
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with httpx.Client(headers={"X-API-Key": API_KEY}, trust_env=False, timeout=20) as client:
        stops = [*sorted(chance.sample(range(1, SIZE), CUTS)), SIZE]
        content, etag = b"", '"none yet"'
        for stop in stops:
            part, etag = cut_at(client, job["file_url"], len(content), stop, etag)
            content += part

    assert hashlib.sha256(content).hexdigest() == shared_oracle.origin.sha256(path)


def cut_at(client: httpx.Client, url: str, start: int, stop: int, etag: str) -> tuple[bytes, str]:
    """The bytes from `start` on, of a connection that is dropped at `stop`."""
    headers = {"Range": f"bytes={start}-", "If-Range": etag} if start else {}
    content = b""
    with client.stream("GET", url, headers=headers) as response:
        assert response.status_code == (206 if start else 200)
        for chunk in response.iter_raw():
            content += chunk
            if len(content) >= stop - start:
                break
        return content[: stop - start], response.headers["ETag"]
