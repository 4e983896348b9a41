"""Against a running server: MEDIADL_URL, MEDIADL_API_KEY, and ORIGIN_URL, a site with media that it may fetch."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mediadl import Client, Download
from mediadl.client import completed


@pytest.fixture(scope="session")
def origin() -> str:
    return os.environ["ORIGIN_URL"]


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    with Client.from_environment() as made:
        yield made


@pytest.fixture(scope="session")
def film(client: Client, origin: str) -> Download:
    """A download of three megabytes."""
    return completed(client.wait(client.submit(f"{origin}/big/3000000.mp4", tags=["film"]).request_id, timeout=60))
