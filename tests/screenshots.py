"""Pictures of the pages for README and docs, of the running product: `python -m tests.screenshots [DIRECTORY]`.

With `--each` every page is shown at both widths and in both themes, for those who want to look at all of it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import CHROMIUM
from tests.origin import Origin
from tests.origin.media import ffmpeg
from tests.product import ROOT, Product, wait_until

SIGN_IN = re.compile(r"http://\S+/accounts/sign-in/link/\S+")
DIRECTORY = ROOT / "docs" / "screenshots"
WIDE, NARROW = (1120, 760), (390, 780)
EACH = {
    f"{width}-{theme}": ((width, height), theme)
    for width, height in ((1280, 900), (360, 780))
    for theme in ("light", "dark")
}
# A palette makes them a third of the size, and nobody sees it.
PALETTE = "split[a][b];[a]palettegen=max_colors=160:stats_mode=single[p];[b][p]paletteuse=dither=none"
COOKIES = "videos.example\tTRUE\t/\tTRUE\t4102444800\tsession\tx\n"
RIGHT_TO_LEFT = "سحب فوق البحر"
FILMS = ("Clouds over the sea", "How bread is made", "A walk through the old town", "Rain on a roof, eight hours")


SETTINGS = {
    "keys": "/accounts/keys/",
    "usage": "/accounts/usage/",
    "webhooks": "/webhooks/",
    "account": "/accounts/",
    "people": "/accounts/people/",
    "help": "/help",
    "sites": "/sites?q=video",
    "errors": "/docs/errors",
    "offline": "/offline",
    "not-found": "/jobs/nowhere",
}


class Studio:
    """A product with something in it, and a browser that is signed in to it."""

    def __init__(self, product: Product, origin: Origin, page: Page, directory: Path, *, is_each: bool = False) -> None:
        self.product = product
        self.origin = origin
        self.page = page
        self.directory = directory
        self.is_each = is_each
        self.root = f"http://127.0.0.1:{product.port}"

    def film(self, title: str, path: str = "/page/og-video", **query: str) -> str:
        return self.origin.url(f"{path}?{urlencode({'title': title, **query})}")

    def open(self, path: str) -> Page:
        self.page.goto(self.root + path)
        return self.page

    def submit(self, url: str, **options: object) -> str:
        answer = self.product.api.post("/download", json={"url": url, **options})
        return str(answer.raise_for_status().json()["request_id"])

    def wait_for(self, *jobs: str) -> None:
        def have_ended() -> bool:
            return all(self.status(job) in {"completed", "failed"} for job in jobs)

        wait_until(have_ended, 120, what="the end of all downloads")

    def status(self, job: str) -> str:
        return str(self.product.api.get(f"/download/{job}").json()["status"])

    def shoot(self, name: str, *, size: tuple[int, int] = WIDE, theme: str = "light") -> None:
        if not self.is_each:
            self._shoot(name, size, theme)
        elif size != NARROW:
            for kind, (each_size, each_theme) in EACH.items():
                self._shoot(f"{name}-{kind}", each_size, each_theme)

    def _shoot(self, name: str, size: tuple[int, int], theme: str) -> None:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        time.sleep(0.6)  # for pictures and the player
        raw = self.directory / f"{name}.raw.png"
        self.page.screenshot(path=raw, full_page=self.is_each)
        small = self.directory / f"{name}.png"
        command = [ffmpeg(), "-v", "error", "-y", "-i", str(raw), "-vf", PALETTE, "-frames:v", "1", str(small)]
        subprocess.run(command, check=True)
        raw.unlink()
        print(f"{small.name}\t{small.stat().st_size // 1000} kB")


def fill(studio: Studio) -> tuple[str, str, str]:
    """What the pages show: a job that is done, a batch, and a job that failed."""
    done = [studio.submit(studio.film(title), tags=["films"]) for title in FILMS]
    done.append(studio.submit(studio.origin.url("/status/404/film"), quality="720p"))
    studio.wait_for(*done)
    batch = studio.product.api.post(
        "/playlist/download", json={"url": studio.origin.url("/page/playlist?n=6"), "quality": "480p"}
    )
    wait_until(
        lambda: studio.product.api.get(f"/batch/{batch.json()['batch_id']}").json()["status"] == "completed", 120
    )
    return done[1], batch.json()["batch_id"], done[-1]


def shoot_downloads(studio: Studio, job: str, batch: str) -> None:
    for title in ("The making of a violin", "Ten minutes of waves"):
        studio.submit(studio.film(title, media="/slow/9000/clip.mp4"))
    studio.open("/").locator("progress[value]").first.wait_for(timeout=60_000)
    studio.shoot("home", size=(1120, 1000))
    studio.shoot("home-phone-dark", size=NARROW, theme="dark")
    page = studio.open(f"/?{urlencode({'url': studio.film('Clouds over the sea', media='/dash/manifest.mpd')})}")
    page.locator("#preview .job-title").wait_for(timeout=60_000)
    page.locator("[name=quality][value='360p']").check(force=True)
    studio.shoot("preview")
    page = studio.open(f"/?{urlencode({'url': studio.origin.url('/rss.xml?n=240')})}")
    page.get_by_role("button", name="Choose from the list").click(timeout=60_000)
    page.locator(".pick").first.wait_for(timeout=60_000)
    page.get_by_label("Numbers to choose").fill("1, 3-4, 100-")
    page.keyboard.press("Enter")
    studio.shoot("list")
    for name, path in (("job", f"/jobs/{job}"), ("batch", f"/batches/{batch}"), ("batches", "/batches")):
        studio.open(path)
        studio.shoot(name)
    shoot_sharing(studio, job)
    studio.open("/library")
    studio.shoot("library")
    studio.shoot("library-phone", size=NARROW)


def shoot_sharing(studio: Studio, job: str) -> None:
    file = studio.product.api.get(f"/download/{job}").json()["files"][0]["file_id"]
    studio.product.api.post(f"/files/{file}/links", json={"label": "for Ada"}).raise_for_status()
    studio.open(f"/files/{file}/links")
    studio.shoot("links")


def shoot_sign_in(studio: Studio) -> None:
    studio.page.context.clear_cookies()
    studio.open("/")
    studio.shoot("sign-in")


def shoot_settings(studio: Studio) -> None:
    page = studio.open("/presets/new")
    page.get_by_label("Name", exact=True).fill("Music")
    page.locator("[name=quality][value=audio]").check(force=True)
    page.get_by_role("button", name="Save").click()
    studio.shoot("presets")
    page = studio.open("/cookies")
    page.get_by_label("Or its text").fill(COOKIES)
    page.get_by_role("button", name="Store").click()
    studio.shoot("cookies")
    for name, path in SETTINGS.items():
        studio.open(path)
        studio.shoot(name)
    studio.open("/api/docs").locator(".opblock").first.wait_for(timeout=60_000)
    studio.shoot("api")
    # The page of the system tells of the computer that the pictures are made on: for looking at, not for the docs.
    for link in ("Queue", "Storage", "Jobs", *(["System"] if studio.is_each else [])):
        studio.open("/admin/").get_by_role("link", name=link, exact=True).first.click()
        studio.shoot(f"admin-{link.lower()}", size=(1120, 900))


def shoot_empty(studio: Studio) -> None:
    """What somebody sees who has nothing yet."""
    for name in ("", "library", "batches", "cookies", "presets", "webhooks"):
        studio.open(f"/{name}")
        studio.shoot(f"empty-{name or 'home'}")


def shoot_states(studio: Studio, failed: str) -> None:
    """What is not for the docs: errors, one that waits, titles that are hard to set, and every list of the admin."""
    waiting = studio.submit(studio.film("Later"), start_after="2099-01-01T00:00:00Z")
    cancelled = studio.submit(studio.film("Not now"), start_after="2099-01-01T00:00:00Z")
    studio.product.api.delete(f"/download/{cancelled}")
    hard = [studio.submit(studio.film(title)) for title in (RIGHT_TO_LEFT, "A title without an end " * 9)]
    studio.wait_for(*hard)
    running = studio.submit(studio.film("Ten minutes of waves", media="/slow/2000/clip.mp4"))
    studio.open(f"/jobs/{running}").locator("progress[value]").first.wait_for(timeout=60_000)
    studio.shoot("job-running")
    for name, job in (("failed", failed), ("waiting", waiting), ("cancelled", cancelled), ("rtl", hard[0])):
        studio.open(f"/jobs/{job}")
        studio.shoot(f"job-{name}")
    studio.open("/").get_by_role("button", name="Download").first.click()
    studio.shoot("home-nothing-entered")
    page = studio.open(f"/?{urlencode({'url': studio.origin.url('/status/404/film')})}")
    page.locator("#preview [role=alert], #preview .problem, [data-preview] > *").first.wait_for(timeout=60_000)
    studio.shoot("preview-failed")
    studio.open("/library?q=nothing+has+this")
    studio.shoot("library-nothing-found")
    studio.open("/library")
    studio.shoot("library-full")
    page = studio.open("/admin/")
    studio.shoot("admin")
    lists = page.locator("#content-main th a").evaluate_all("links => links.map(link => new URL(link.href).pathname)")
    for path in lists:
        studio.open(path)
        studio.shoot(f"admin-{path.strip('/').replace('/', '-')}")


@contextmanager
def studio_in(directory: Path, *, is_each: bool, **environment: str) -> Iterator[Studio]:
    environment = {"WORKERS": "6"} | environment
    with tempfile.TemporaryDirectory() as place, Origin() as origin, Product(Path(place), **environment) as product:
        product.wait_for_engine()
        link = SIGN_IN.search(product.log())
        if link is None:
            raise RuntimeError("the product has printed no link to sign in by")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = new_page(browser)
            page.goto(link[0])
            page.get_by_role("button").first.click()
            page.wait_for_url("**/password/")
            yield Studio(product, origin, page, directory, is_each=is_each)
            browser.close()


def new_page(browser: Browser) -> Page:
    page = browser.new_context(reduced_motion="reduce", locale="en-GB").new_page()
    page.set_default_timeout(30_000)
    return page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots")
    parser.add_argument("directory", type=Path, nargs="?", default=DIRECTORY)
    parser.add_argument("--each", action="store_true", help="at both widths and in both themes, in full length")
    chosen = parser.parse_args()
    chosen.directory.mkdir(parents=True, exist_ok=True)
    with studio_in(chosen.directory, is_each=chosen.each) as studio:
        if chosen.each:
            shoot_empty(studio)
        job, batch, failed = fill(studio)
        if chosen.each:
            shoot_states(studio, failed)
        shoot_settings(studio)
        shoot_downloads(studio, job, batch)
        shoot_sign_in(studio)


if __name__ == "__main__":
    main()
