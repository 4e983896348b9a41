"""A list of 5,000 entries over the API: shown, made into jobs, cancelled, retried, and what reading it takes.

python -m bench.lists [--entries 5000]
"""

from __future__ import annotations

import argparse
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Self

import yt_dlp

from bench.stand import databases, line, stand, timed
from tests.origin import Origin
from tests.product import Product, wait_until

POSTS = 20
# Less than a page of 100 each: what a list costs that is none.
SHORT = 10


class Child:
    """The most memory that a process has had which looked at a page, while it is watched."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most_mb = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        places = str(self._product.data_dir / "run" / "probes")
        while not self._is_over.wait(0.02):
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    self._look(entry, places)

    def _look(self, process: Path, places: str) -> None:
        try:
            if str((process / "cwd").readlink()).startswith(places):
                status = (process / "status").read_text()
                self.most_mb = max(self.most_mb, int(status.partition("VmHWM:")[2].split()[0]) / 1024)
        except (OSError, IndexError):
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=5000)
    entries = parser.parse_args().entries
    for database in databases():
        with stand(database, MAX_PLAYLIST_ITEMS=str(entries), WORKERS="1", PROBE_WAIT_SECONDS="60") as (
            product,
            origin,
        ):
            product.wait_for_engine()
            print(f"{database}, {entries} entries")
            measure(product, origin, entries)


def measure(product: Product, origin: Origin, entries: int) -> None:
    plain = timed(partial(in_process, list_of(origin, entries, "plain")))
    print(f"  yt-dlp's own flat list in this process: {plain:.2f} s")
    for count in (SHORT, entries):
        with Child(product) as child:
            seconds = timed(partial(preview, product, origin, count))
        print(f"  read, and its first 100 shown: {count} entries {seconds:.2f} s, child at most {child.most_mb:.0f} MB")
    print(
        line(
            "  a page of it, once it has been read",
            [timed(partial(preview, product, origin, entries)) for _ in range(POSTS)],
        )
    )
    whole_life(product, origin, entries)
    # Lists that nobody has looked at yet: the answer must not wait for them.
    names = [list_of(origin, entries, f"post{number}") for number in range(POSTS)]
    print(line("  POST /playlist/download", [timed(partial(submit, product, name)) for name in names]))


def whole_life(product: Product, origin: Origin, entries: int) -> None:
    began = time.perf_counter()
    batch = submit(product, list_of(origin, entries, "whole"))
    shown = []
    while totals(product, batch)["total_urls"] < entries:
        shown.append(timed(partial(totals, product, batch)))
        time.sleep(0.2)
    print(f"  POST → {entries} jobs: {time.perf_counter() - began:.1f} s")
    print(line("  GET /batch meanwhile", shown))
    print(line("  GET /batch of all of them", [timed(partial(totals, product, batch)) for _ in range(POSTS)]))
    print(f"  cancel all: {timed(partial(product.api.delete, f'/batch/{batch}')):.2f} s")
    told = wait_until(lambda: ended(product, batch), 60, what="the end of the batch")
    assert told["cancelled"] == entries, told


def preview(product: Product, origin: Origin, entries: int) -> None:
    query = {"url": list_of(origin, entries, "shown"), "page_size": 100}
    answer = product.api.get("/playlist/preview", params=query, timeout=120)
    assert answer.status_code == 200, answer.text
    assert answer.json()["total_videos"] == entries


def in_process(url: str) -> None:
    options: dict[str, Any] = {"quiet": True, "no_warnings": True, "proxy": "", "extract_flat": True}
    with yt_dlp.YoutubeDL(options) as downloader:
        downloader.extract_info(url, download=False)


def list_of(origin: Origin, entries: int, name: str) -> str:
    return origin.url(f"/rss.xml?n={entries}&name={name}")


def submit(product: Product, url: str) -> str:
    # Late enough that nothing of them is downloaded here.
    body = {"url": url, "skip_downloaded": False, "start_after": "2099-01-01T00:00:00Z"}
    answer = product.api.post("/playlist/download", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["batch_id"])


def totals(product: Product, batch: str) -> dict[str, Any]:
    answer: dict[str, Any] = product.api.get(f"/batch/{batch}").json()
    return answer


def ended(product: Product, batch: str) -> dict[str, Any] | None:
    told = totals(product, batch)
    return told if told["status"] in {"completed", "failed", "cancelled"} else None


if __name__ == "__main__":
    main()
