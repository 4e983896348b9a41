"""Workflows over HTTP alone: against a product of their own, or a deployment (LIVE_API_URL and API_KEY).

A deployment needs something to fetch: ORIGIN_URL is a `python -m tests.origin` that it can reach; without it, MEDIA_URL
is any page with a video, and what needs more than that is skipped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.origin import Origin
from tests.product import API_KEY, Product, wait_until
from tests.webhooks.receiver import Receiver

TAG = "end-to-end"
SECONDS = 180.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.nodeid:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.processes)
            item.add_marker(pytest.mark.timeout(600))


class Live:
    """A server and a site that it may fetch from; what a workflow makes is deleted at its end."""

    def __init__(self, url: str, key: str, *, origin: str, media: str) -> None:
        self.root = url.rstrip("/").removesuffix("/api/v1")
        self.key = key
        self._origin = origin.rstrip("/")
        self._media = media
        self._made: list[str] = []
        self.api = self.client(key)

    def client(self, key: str | None) -> httpx.Client:
        headers = {"X-API-Key": key} if key else {}
        return httpx.Client(base_url=f"{self.root}/api/v1", headers=headers, timeout=60, trust_env=False)

    def media(self, path: str = "/clip.mp4") -> str:
        """The address of one medium; of the origin's when there is one."""
        if self._origin:
            return f"{self._origin}{path}"
        if not self._media:
            pytest.skip("say by ORIGIN_URL or MEDIA_URL what the deployment may fetch")
        return self._media

    def site(self, path: str) -> str:
        """What only the origin has."""
        if not self._origin:
            pytest.skip("needs ORIGIN_URL, a tests.origin that the deployment can reach")
        return f"{self._origin}{path}"

    def submit(self, url: str, **options: Any) -> dict[str, Any]:
        # Workflows fetch the same medium again and again, and each is about a fetch of its own.
        answer = self.api.post("/download", json={"url": url, "tags": [TAG], "reuse": False, **options})
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        self.forget_later(job["request_id"])
        return job

    def forget_later(self, request_id: str) -> None:
        self._made.append(request_id)

    def job(self, request_id: str) -> dict[str, Any]:
        answer = self.api.get(f"/download/{request_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, request_id: str, *statuses: str) -> dict[str, Any]:
        """The job in one of `statuses`, any final one by default; asked for as a client should, by waiting."""
        wanted = statuses or ("completed", "failed", "cancelled")

        def arrived() -> dict[str, Any] | None:
            answer = self.api.get(f"/download/{request_id}", params={"wait": 10})
            assert answer.status_code == 200, answer.text
            job: dict[str, Any] = answer.json()
            return job if job["status"] in wanted else None

        found: dict[str, Any] = wait_until(arrived, SECONDS, what=f"{request_id} becoming {wanted}")
        return found

    def completed(self, url: str, **options: Any) -> dict[str, Any]:
        job = self.ended(self.submit(url, **options)["request_id"])
        assert job["status"] == "completed", (job["error_code"], job["error"])
        return job

    def bytes_of(self, file: dict[str, Any], client: httpx.Client | None = None) -> bytes:
        """Checked against the checksum of the answer."""
        answer = (client or self.api).get(self.path_of(file["file_url"]))
        assert answer.status_code == 200, answer.text
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
        assert len(answer.content) == file["size_bytes"]
        return answer.content

    def path_of(self, url: str) -> str:
        """On the server as this test reaches it, whatever it calls itself."""
        parts = urlsplit(url)
        return f"{self.root}{parts.path}{f'?{parts.query}' if parts.query else ''}"

    def clean_up(self) -> None:
        for request_id in self._made:
            if self.api.delete(f"/download/{request_id}").status_code == 200:
                self.api.delete(f"/download/{request_id}")  # the first may only have cancelled it
        self._made.clear()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with ExitStack() as stack:
        live = _deployment() or _own(stack, tmp_path_factory)
        stack.callback(live.api.close)
        yield live


def _deployment() -> Live | None:
    known = os.environ.get
    if not (url := known("LIVE_API_URL")):
        return None
    return Live(url, known("API_KEY", ""), origin=known("ORIGIN_URL", ""), media=known("MEDIA_URL", ""))


def _own(stack: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Live:
    origin = stack.enter_context(Origin())
    product = stack.enter_context(Product(tmp_path_factory.mktemp("e2e")))
    return Live(f"http://127.0.0.1:{product.port}", API_KEY, origin=origin.url("").rstrip("/"), media="")


@pytest.fixture
def live(server: Live) -> Iterator[Live]:
    yield server
    server.clean_up()


@pytest.fixture
def receiver(live: Live) -> Iterator[Receiver]:
    """An address that a deployment elsewhere could not reach."""
    if urlsplit(live.root).hostname != "127.0.0.1":
        pytest.skip("needs a receiver of webhooks that the deployment can reach")
    with Receiver() as running:
        yield running
