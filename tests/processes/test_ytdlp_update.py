"""Another yt-dlp while the product runs: tried, taken over by the engine, and gone back from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloads import ytdlp_versions
from tests.origin import Origin
from tests.product import ENGINE_READY, ROOT, Product, wait_until
from tests.wheels import ytdlp_wheel

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

NEWER, NEWEST = "2098.1.2", "2099.1.2"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("product")) as running:
        yield running.wait_for_engine()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an index of packages would have."""
    directory = tmp_path_factory.mktemp("wheels")
    ytdlp_wheel(directory, NEWER)
    return directory


def manage(product: Product, *arguments: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**product.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def version_of_a_job(product: Product, origin: Origin) -> str:
    done = product.wait_for(product.submit(origin.url("/page/og-video"))["request_id"], "completed")
    (row,) = [line for line in product_jobs(product) if line.startswith(done["request_id"])]
    return row.split()[1]


def product_jobs(product: Product) -> list[str]:
    code = (
        "from downloads.models import Job\nfor job in Job.objects.all(): print(job.pk, job.ytdlp_version, job.attempt)"
    )
    return manage(product, "shell", "-c", code)[1].splitlines()


def test_a_newer_one_is_tried_and_used_and_downloads_go_on(product: Product, origin: Origin, wheels: Path) -> None:
    installed = ytdlp_versions.installed()
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    status, said = manage(product, "ytdlp_update", "--check", **index)
    assert (status, f"{installed} is in use, {NEWER} is the newest" in said) == (0, True), said

    running = product.submit(origin.url("/slow/2000/clip.mp4"))["request_id"]
    wait_until(lambda: product.job(running)["downloaded_bytes"] > 0, 30)
    status, said = manage(product, "ytdlp_update", **index)
    assert (status, f"{NEWER} is in use" in said) == (0, True), said
    assert product.job(running)["status"] == "running"

    assert ytdlp_versions.numbers(version_of_a_job(product, origin)) == ytdlp_versions.numbers(NEWER)
    assert product.wait_for(running, seconds=200)["status"] == "completed"
    assert f"{running} {installed} 1" in product_jobs(product)
    assert f"yt_dlp: {NEWER}" in manage(product, "doctor")[1]

    status, said = manage(product, "ytdlp_update", **index)
    assert (status, "chosen already" in said) == (0, True), said

    broken_ones = {
        "does not load": {"extractor/common.py": "\nraise ImportError('broken')\n"},
        "finds nothing": {"extractor/generic.py": "\nGenericIE._real_extract = lambda self, url: 1 / 0\n"},
    }
    for name, changes in broken_ones.items():
        wheel = ytdlp_wheel(wheels / name, NEWEST, changes)
        status, said = manage(product, "ytdlp_update", "--wheel", str(wheel))
        assert (status, f"{NEWEST} was tried and cannot be used" in said) == (1, True), said
    assert ytdlp_versions.numbers(version_of_a_job(product, origin)) == ytdlp_versions.numbers(NEWER)

    status, said = manage(product, "ytdlp_update", "--rollback")
    assert (status, f"{installed} is in use" in said) == (0, True), said
    assert version_of_a_job(product, origin) == installed
    assert product.log().count(ENGINE_READY) == 3
    assert product.api.get("/health").json()["status"] != "unhealthy"
