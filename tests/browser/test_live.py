from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from downloads.models import Job, JobEvent, JobLog, Stage
from tests.browser.conftest import MakeList, OpenTab, Tab, publish
from tests.factories import BatchFactory, JobFactory, row
from tests.product import wait_until

URL = "https://video.example/watch?v=1"
SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.shift += entry.value; })
  .observe({ type: "layout-shift", buffered: true });
"""


def progress(job: Job, percent: float) -> None:
    job.renew(progress_percent=percent, downloaded_bytes=int(percent * 1e6), total_bytes=100_000_000, speed=5e6, eta=9)


def follow(page: Page, job: Job) -> None:
    """Until the stream tells of it. Of what ends before, it tells nothing."""
    for percent in (11, 22):
        progress(job, percent)
        expect(page.locator(f'[data-job="{job.pk}"]')).to_contain_text(f"{percent} %")


def test_shows_a_submitted_link_within_300_milliseconds(tab: Tab) -> None:
    page = tab.open("/")
    field = page.get_by_label("Links, one on each line")
    page.evaluate(
        """() => {
          let began = 0, shown = 0;
          window.took = [];
          const cards = () => document.querySelectorAll(".job-card").length;
          document.addEventListener("submit", () => { began = performance.now(); shown = cards(); }, { capture: true });
          new MutationObserver(() => {
            if (began && cards() > shown) { window.took.push(performance.now() - began); began = 0; }
          }).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    for number in range(1, 6):
        field.fill(f"{URL}{number}")
        page.keyboard.press("Enter")
        expect(page.locator(".job-card")).to_have_count(number)
        expect(field).to_have_value("")
        expect(field).to_be_focused()
    # The best of five, and on a machine that others share, in proportion: only the product is to be measured here.
    took = page.evaluate("window.took")
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert min(took) < 300 * crowd, took


def test_follows_a_job_from_the_queue_to_its_file(tab: Tab, user: User, media_dir: Path) -> None:
    job = Job.submit(owner=user, url=URL, host="video.example", title="A walk")
    page = tab.open("/")
    card = page.locator(f'[data-job="{job.pk}"]')
    expect(card).to_contain_text("Next in line")
    job.start("node-1/1/1")
    expect(card).to_contain_text("Looking at the page")
    job.enter(Stage.DOWNLOADING)
    expect(card).to_contain_text("Downloading")
    for percent in (20, 60):
        progress(job, percent)
        expect(card).to_contain_text(f"{percent} %")
        expect(card).to_contain_text(f"{percent}.0 MB of 100 MB")
        expect(card).to_contain_text("5.0 MB/s")
        expect(card).to_contain_text("0:09 left")
    assert card.locator("progress").evaluate("bar => bar.value") == 60
    publish(job, media_dir / "clip.mp4")
    job.complete()
    expect(page.locator(".row").get_by_role("link", name="Save A walk")).to_be_visible()
    expect(page.locator(".job-card")).to_have_count(0)
    expect(page.locator("#announcer")).to_have_text("A walk is ready.")


def test_moves_nothing_but_the_figures_while_a_job_gets_on(tab: Tab, user: User) -> None:
    job = JobFactory(owner=user, running=True, stage="downloading", title="A walk")
    progress(job, 5)
    page = tab.open("/")
    card = page.locator(f'[data-job="{job.pk}"]')
    before = card.bounding_box()
    progress(job, 55)
    expect(card).to_contain_text("55 %")
    assert card.bounding_box() == before


def test_shows_the_player_on_the_page_of_a_job_that_ends(tab: Tab, user: User, media_dir: Path) -> None:
    job = JobFactory(owner=user, running=True, stage="downloading", title="A walk")
    page = tab.open(f"/jobs/{job.pk}")
    progress(job, 70)
    expect(page.locator("#job")).to_contain_text("70 %")
    publish(job, media_dir / "clip.mp4")
    job.complete()
    video = page.locator("video")
    expect(video).to_be_visible()
    wait_until(lambda: page.locator("video").evaluate("video => video.readyState >= 1"), 10)
    assert video.evaluate("video => video.duration") > 1
    expect(page.locator(".job-head")).to_contain_text("Completed")


def test_does_not_disturb_a_video_that_plays(tab: Tab, finished: Callable[..., Job]) -> None:
    job = finished(title="A walk")
    page = tab.open(f"/jobs/{job.pk}")
    wait_until(lambda: page.locator("video").evaluate("video => video.readyState >= 1"), 10)
    page.evaluate("window.before = document.querySelector('video'); window.before.currentTime = 2")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".job-head")).to_contain_text("kept until you delete it")
    assert page.evaluate("document.querySelector('video') === window.before && window.before.currentTime") == 2


def test_acts_without_leaving_the_page(tab: Tab, user: User) -> None:
    job = JobFactory(owner=user, running=True, title="A walk")
    page = tab.open("/")
    page.evaluate("window.stayed = true")
    page.get_by_role("button", name="Cancel A walk").click()
    expect(page.locator(".job-card")).to_have_count(0)
    expect(page.locator(".row")).to_contain_text("A walk")
    expect(page.locator("#toasts")).to_contain_text("Cancelled.")
    assert row(Job, job.pk).status == "cancelled"
    assert page.evaluate("window.stayed")


def test_keeps_the_place_of_the_keyboard_when_the_list_changes(tab: Tab, user: User) -> None:
    job = JobFactory(owner=user, running=True, title="A walk")
    page = tab.open("/")
    button = page.get_by_role("button", name="Pause A walk")
    button.focus()
    other = Job.submit(owner=user, url=URL, host="video.example", title="Another")
    expect(page.locator(f'[data-job="{other.pk}"]')).to_be_visible()
    expect(button).to_be_focused()
    assert row(Job, job.pk).status == "running"


def test_tells_of_a_failure_with_its_reason(tab: Tab, user: User) -> None:
    job = JobFactory(owner=user, running=True, title="A walk")
    page = tab.open("/")
    follow(page, job)
    Job.objects.filter(pk=job.pk).update(
        status="failed", lease=None, lease_expires_at=None, finished_at=job.started_at, error_code="private"
    )
    JobEvent.objects.append(row(Job, job.pk), "failed")
    expect(page.locator(".row")).to_contain_text("The media is private")
    expect(page.locator("#announcer")).to_have_text("A walk has failed.")


def test_notifies_only_whoever_asks_for_it(new_tab: OpenTab, user: User) -> None:
    JobFactory(owner=user, running=True, title="A walk")
    tab = new_tab(permissions=["notifications"])
    page = tab.open("/")
    ask, stop = (page.get_by_role("button", name=name) for name in ("Notify me when done", "Notifications are on"))
    expect(ask).to_be_visible()
    page.locator("h1").click()
    expect(ask).to_be_visible()
    ask.click()
    page.locator("h1").click()
    expect(stop).to_be_visible()
    stop.click()
    expect(ask).to_be_visible()


def test_filters_the_log_in_place(tab: Tab, user: User) -> None:
    job = JobFactory(owner=user, attempt=1)
    page = tab.open(f"/jobs/{job.pk}")
    page.locator("#log").get_by_role("link", name="Warning").click()
    expect(page.locator("#log [aria-current]")).to_have_text("Warning")
    assert page.url.endswith(str(job.pk))
    JobLog.objects.append(job, [(timezone.now(), "warning", "Falling back"), (timezone.now(), "info", "Extracting")])
    job.pause()
    expect(page.locator("#log")).to_contain_text("Falling back")
    expect(page.locator("#log [aria-current]")).to_have_text("Warning")


def test_searches_while_one_types(tab: Tab, user: User) -> None:
    JobFactory(owner=user, title="Rain on a roof")
    JobFactory(owner=user, title="Other")
    page = tab.open("/library")
    page.get_by_role("searchbox").press_sequentially("rain")
    expect(page.locator(".row")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/library\?q=rain$"))


def test_leads_to_the_sign_in_page_when_the_session_has_ended(tab: Tab, user: User) -> None:
    with tab.page.expect_response("**/api/v1/events"):
        page = tab.open("/")
    page.context.clear_cookies()
    Job.submit(owner=user, url=URL, host="video.example", title="A walk")
    page.wait_for_url("**/accounts/sign-in/?next=/", timeout=10_000)


def test_finds_out_that_the_session_has_ended_when_the_stream_is_refused(tab: Tab, user: User) -> None:
    tab.expect_complaint("status of 401")
    tab.page.route("**/api/v1/events", lambda route: route.fulfill(status=401))
    page = tab.open("/")
    page.context.clear_cookies()
    page.wait_for_url("**/accounts/sign-in/?next=/", timeout=10_000)


def test_changes_the_theme_at_once_and_for_good(tab: Tab) -> None:
    page = tab.open("/")
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("width", [1280, 360])
def test_settles_without_a_shift(
    new_tab: OpenTab, user: User, finished: Callable[..., Job], list_of: MakeList, width: int
) -> None:
    """With all that moves, and after what pages ask for by themselves once they are there."""
    batch = BatchFactory(owner=user, kind="playlist", title="Walks")
    done = finished(title="A walk", batch=batch, playlist_index=1)
    going = JobFactory(owner=user, batch=batch, running=True, stage="downloading", progress_percent=10)
    JobFactory(owner=user, running=True, stage="extracting")
    tab = new_tab(width=width, reduced_motion="no-preference")
    tab.page.add_init_script(SHIFTS)
    for path in ("/", f"/jobs/{done.pk}", f"/jobs/{going.pk}", "/batches", f"/batches/{batch.pk}"):
        with tab.page.expect_response(lambda response: "hx-request" in response.request.headers):
            tab.open(path)
        assert_stands_still(tab.page)
    for path in ("/library", list_of(30)):
        assert_stands_still(tab.open(path))


def assert_stands_still(page: Page) -> None:
    page.wait_for_timeout(150)
    assert page.evaluate("window.shift") < 0.02, page.url


def test_tells_the_times_of_the_log_by_the_clock_of_the_reader(new_tab: OpenTab, user: User) -> None:
    job = JobFactory(owner=user, attempt=1)
    JobLog.objects.append(job, [(datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC), "info", "Extracting")])
    page = new_tab(timezone_id="Asia/Tokyo").open(f"/jobs/{job.pk}")
    expect(page.locator("#log")).to_contain_text("Times in your time zone.")
    expect(page.locator("#log time")).to_have_text("21:00:30")


@pytest.mark.parametrize(
    ("locale", "seconds", "said"),
    [
        ("en-GB", "1", "Try again in 1 second."),
        ("en-GB", "7", "Try again in 7 seconds."),
        ("de-DE", "1", "in 1 Sekunde noch einmal."),
        ("de-DE", "7", "in 7 Sekunden noch einmal."),
    ],
)
def test_counts_as_the_language_does(new_tab: OpenTab, locale: str, seconds: str, said: str) -> None:
    tab = new_tab(locale=locale)
    tab.expect_complaint("status of 429", "Status Error Code 429")
    page = tab.open("/")
    answer = {"status": 429, "headers": {"Retry-After": seconds}}
    page.route("**/", lambda route: route.fulfill(**answer) if route.request.method == "POST" else route.continue_())
    page.locator("[name=urls]").fill(URL)
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text(said)


def test_says_that_the_stream_is_lost_until_it_is_back(tab: Tab) -> None:
    tab.expect_complaint("ERR_FAILED")
    tab.page.route("**/api/v1/events", lambda route: route.abort())
    tab.page.clock.install()
    with tab.page.expect_event("requestfailed"):
        page = tab.open("/")
    page.clock.run_for(6000)
    lost = page.get_by_text("The connection is interrupted.")
    expect(lost).to_be_visible()
    page.unroute("**/api/v1/events")
    expect(lost).to_have_count(0, timeout=30_000)
