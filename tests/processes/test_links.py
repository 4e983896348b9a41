"""A file is shared and fetched by the programs that people use, on the real product."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.origin import Origin
from tests.product import Product

pytestmark = [pytest.mark.promise("S11"), pytest.mark.processes]

SIZE = 3_000_000
CUT = 1_000_003


@pytest.fixture(scope="module")
def file(product: Product, origin: Origin) -> dict[str, Any]:
    job = product.wait_for(product.submit(origin.url(f"/big/{SIZE}.mp4"))["request_id"])
    assert job["status"] == "completed", job["error"]
    return dict(job["files"][0])


@pytest.fixture
def anybody() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


def share(product: Product, file: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    answer = product.api.post(f"/files/{file['file_id']}/links", json=wanted)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def downloads_of(product: Product, link: dict[str, Any]) -> int:
    return int(product.api.get(f"/links/{link['link_id']}").json()["download_count"])


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def broken_off(anybody: httpx.Client, url: str, path: Path) -> None:
    """The beginning of a download whose connection is lost."""
    with anybody.stream("GET", url) as answer, path.open("wb") as target:
        assert answer.status_code == 200
        for chunk in answer.iter_raw():
            target.write(chunk[: CUT - target.tell()])
            if target.tell() >= CUT:
                return


@pytest.mark.needs("curl", "wget")
@pytest.mark.parametrize(
    "command",
    [["curl", "-sS", "--fail", "-C", "-", "-o", "{file}", "{url}"], ["wget", "-q", "-c", "-O", "{file}", "{url}"]],
    ids=["curl", "wget"],
)
def test_a_broken_download_is_resumed_and_counted_once(
    product: Product, file: dict[str, Any], anybody: httpx.Client, tmp_path: Path, command: list[str]
) -> None:
    link, target = share(product, file, max_downloads=1), tmp_path / "film.mp4"
    broken_off(anybody, link["url"], target)
    filled = [part.format(file=target, url=link["url"]) for part in command]
    subprocess.run(filled, check=True, timeout=60)
    assert digest(target) == file["sha256"]
    assert downloads_of(product, link) == 1
    assert anybody.get(link["url"]).status_code == 410


def test_of_many_who_come_at_once_exactly_as_many_are_served_as_may(
    product: Product, file: dict[str, Any], anybody: httpx.Client
) -> None:
    link = share(product, file, max_downloads=5)
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: anybody.get(link["url"]), range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [410] * 15
    whole = {hashlib.sha256(answer.content).hexdigest() for answer in answers if answer.status_code == 200}
    assert whole == {file["sha256"]}
    assert downloads_of(product, link) == 5


def test_answers_as_a_file_does(product: Product, file: dict[str, Any], anybody: httpx.Client) -> None:
    url = share(product, file)["url"]
    head = anybody.head(url)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(file["size_bytes"]))
    etag = head.headers["ETag"]
    part = anybody.get(url, headers={"Range": "bytes=10-19", "If-Range": etag})
    assert (part.status_code, len(part.content)) == (206, 10)
    assert anybody.get(url, headers={"Range": "bytes=10-19", "If-Range": '"another"'}).status_code == 200
    assert anybody.get(url, headers={"Range": f"bytes={SIZE * 9}-"}).status_code == 416
    assert head.headers["Cache-Control"] == "private, no-store"
    assert head.headers["Referrer-Policy"] == "no-referrer"
    assert not [name for name in head.headers if name.lower().startswith("x-accel")]


def test_a_revoked_link_is_closed_at_once_and_the_log_names_none(
    product: Product, file: dict[str, Any], anybody: httpx.Client
) -> None:
    link = share(product, file)
    assert anybody.get(link["url"]).status_code == 200
    assert product.api.delete(f"/links/{link['link_id']}").status_code == 204
    assert anybody.get(link["url"]).json()["code"] == "link_revoked"
    assert anybody.get(link["url"].replace("/s/", "/s/x")).status_code == 404
    token = link["url"].split("/")[4]
    assert len(token) == 64
    assert token not in product.log()
