"""Looks at a page: alone, while ten downloads run, and again from the cache; beside yt-dlp in this process."""

from __future__ import annotations

from functools import partial
from typing import Any

import yt_dlp

from bench.stand import databases, line, stand, timed
from tests.origin import Origin
from tests.product import Product

LOOKS = 20
DOWNLOADS = 10


def main() -> None:
    for database in databases():
        with stand(database, WORKERS=str(DOWNLOADS)) as (product, origin):
            warm_up(product, origin)
            alone = looks(product, origin, "alone")
            plain = [timed(partial(in_process, page(origin, f"plain{number}"))) for number in range(LOOKS)]
            keep_busy(product, origin)
            beside = looks(product, origin, "beside")
            again = looks(product, origin, "alone")
        print(line(f"{database}: formats of a page", alone))
        print(line(f"{database}: the same, {DOWNLOADS} downloads beside it", beside))
        print(line(f"{database}: the same, from the cache", again))
        print(line("   yt-dlp in this process", plain))


def looks(product: Product, origin: Origin, name: str) -> list[float]:
    return [timed(partial(look, product, page(origin, f"{name}{number}"))) for number in range(LOOKS)]


def page(origin: Origin, title: str) -> str:
    return origin.url(f"/page/og-video?title={title}")


def warm_up(product: Product, origin: Origin) -> None:
    product.wait_for(product.submit(origin.url("/clip.mp4"))["request_id"])
    look(product, page(origin, "warm"))


def look(product: Product, url: str) -> None:
    assert product.api.get("/formats", params={"url": url}).status_code == 200


def keep_busy(product: Product, origin: Origin) -> None:
    """With downloads that go on for longer than the bench."""
    for number in range(DOWNLOADS):
        job = product.submit(origin.url(f"/slow/1000000/big/{200_000_000 + number}.mp4"))
        product.wait_for(job["request_id"], "running")


def in_process(url: str) -> None:
    options: dict[str, Any] = {"quiet": True, "no_warnings": True, "proxy": ""}
    with yt_dlp.YoutubeDL(options) as downloader:
        downloader.extract_info(url, download=False)


if __name__ == "__main__":
    main()
