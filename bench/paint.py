"""When a page's first content is painted, by the browser's own entries, beside a page that is a few words and no more.

Cold is a browser profile without any of it, warm is the second look; for each the median of ROUNDS, by turns.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.screenshots import Studio, fill, studio_in

ROUNDS = 15
# Static files as people get them: compressed, and kept by the browser.
SERVED = {"MEDIADL_TESTING": "false"}
BOUND = 300
ENTRIES = """() => new Promise((resolve) => {
  let shift = 0;
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) shift += entry.value; })
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => {
    const page = performance.getEntriesByType("navigation")[0];
    const parts = performance.getEntriesByType("resource").filter(({ name }) => /\\.(css|js)$/.test(name));
    const sum = (kind) => parts.reduce((total, part) => total + part[kind], 0);
    resolve({
      paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
      answer: page.responseStart, ready: page.domContentLoadedEventEnd, shift,
      bytes: sum("decodedBodySize"), sent: sum("encodedBodySize"), parts: parts.length,
    });
  }, 300);
})"""
BASELINE = "a few words"


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, studio_in(Path(directory), is_each=False, **SERVED) as studio:
        job, batch, _ = fill(studio)
        pages = {
            BASELINE: studio.origin.url("/page/og-video"),
            "home": f"{studio.root}/",
            "library": f"{studio.root}/library",
            "job": f"{studio.root}/jobs/{job}",
            "batch": f"{studio.root}/batches/{batch}",
            "admin, queue": f"{studio.root}/admin/queue/",
        }
        seen = measured(studio, pages)
    for name in pages:
        cold, warm = seen[name, "cold"], seen[name, "warm"]
        last = cold[-1]
        print(
            f"{name:<14} cold {paints(cold)}   warm {paints(warm)}   answer {median(cold, 'answer'):4.0f} ms   "
            f"{last['parts']:2.0f} files, {last['bytes'] / 1000:4.0f} kB, {last['sent'] / 1000:4.0f} sent   "
            f"shift {max(entry['shift'] for entry in cold + warm):.3f}"
        )


def measured(studio: Studio, pages: dict[str, str]) -> dict[tuple[str, str], list[dict[str, float]]]:
    browser, signed_in = studio.page.context.browser, studio.page.context.storage_state()
    assert browser is not None
    seen: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, url in pages.items():
            with browser.new_context(storage_state=signed_in, locale="en-GB") as context:
                page = context.new_page()
                for kind in ("cold", "warm"):
                    page.goto(url)
                    seen[name, kind].append(page.evaluate(ENTRIES))
    return seen


def paints(entries: list[dict[str, float]]) -> str:
    middle = median(entries, "paint")
    missed = "" if middle <= BOUND else f" (bound {BOUND}, not met)"
    return f"p50 {middle:4.0f} ms{missed}, most {max(entry['paint'] for entry in entries):4.0f}"


def median(entries: list[dict[str, float]], name: str) -> float:
    return statistics.median(entry[name] for entry in entries)


if __name__ == "__main__":
    main()
