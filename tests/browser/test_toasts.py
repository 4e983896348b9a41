"""What the page says at its foot when downloads end, and where it is asked for notifications."""

from __future__ import annotations

import time

from playwright.sync_api import expect

from accounts.models import User
from downloads.models import Job, JobEvent
from tests.browser.conftest import OpenTab, Tab
from tests.browser.test_accessibility import LONG, RIGHT_TO_LEFT, inspect
from tests.factories import BatchFactory, JobFactory, row


def fail(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(
        status="failed", lease=None, lease_expires_at=None, finished_at=job.started_at, error_code="private"
    )
    JobEvent.objects.append(row(Job, job.pk), "failed")


def test_a_download_that_ends_is_told_and_leads_to_its_page(tab: Tab, user: User) -> None:
    job = JobFactory(owner=user, running=True, title="A walk")
    page = tab.follow("/")
    expect(page.locator(".job-card")).to_be_visible()
    job.complete()
    told = page.locator("#ended").get_by_role("link", name="A walk is ready.")
    expect(told).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("A walk is ready.")
    told.click()
    page.wait_for_url(f"**/jobs/{job.pk}")


def test_a_failure_stays_until_it_is_closed(tab: Tab, user: User) -> None:
    job = JobFactory(owner=user, running=True, title=LONG + RIGHT_TO_LEFT)
    page = tab.follow("/")
    expect(page.locator(".job-card")).to_be_visible()
    fail(job)
    told = page.locator("#ended .notice-warning")
    expect(told).to_contain_text("has failed.")
    inspect(page)
    told.get_by_role("button", name="Close").click()
    expect(told).to_have_count(0)


def test_several_that_end_at_once_are_told_together(tab: Tab, user: User) -> None:
    jobs = [JobFactory(owner=user, running=True) for _ in range(4)]
    page = tab.follow("/")
    expect(page.locator(".job-card")).to_have_count(4)
    for job in jobs:
        job.complete()
    told = page.locator("#ended").get_by_role("link", name="4 downloads have ended.")
    expect(told).to_have_attribute("href", "/library")
    expect(page.locator("#ended .notice")).to_have_count(1)


def test_a_page_that_shows_it_does_not_say_it_twice(new_tab: OpenTab, user: User) -> None:
    batch = BatchFactory(owner=user)
    job = JobFactory(owner=user, batch=batch, playlist_index=1, running=True, title="A walk")
    other = JobFactory(owner=user, running=True, title="A run")
    of_job, of_batch = new_tab().follow(f"/jobs/{job.pk}"), new_tab().follow(f"/batches/{batch.pk}")
    for page in (of_job, of_batch):
        expect(page.get_by_text("Running").first).to_be_visible()
    job.complete()
    for page in (of_job, of_batch):
        expect(page.locator("#announcer")).to_have_text("A walk is ready.")
        expect(page.locator("#ended .notice")).to_have_count(0)
    other.complete()
    expect(of_batch.locator("#ended")).to_contain_text("A run is ready.")


def test_a_success_goes_by_itself_but_not_from_under_the_focus(tab: Tab, user: User) -> None:
    tab.page.clock.install()
    job = JobFactory(owner=user, running=True, title="A walk")
    page = tab.follow("/")
    expect(page.locator(".job-card")).to_be_visible()
    job.complete()
    told = page.locator("#ended").get_by_role("link")
    deadline = time.monotonic() + 10
    while not told.is_visible() and time.monotonic() < deadline:
        page.clock.run_for(100)
    page.clock.run_for(6_000)
    expect(told).to_be_visible()
    told.focus()
    page.clock.run_for(20_000)
    expect(told).to_be_visible()
    page.locator("h1").click()
    page.clock.run_for(20_000)
    expect(told).to_have_count(0)


def test_notifications_are_asked_for_on_the_page_of_the_account(new_tab: OpenTab) -> None:
    tab = new_tab(permissions=["notifications"])
    page = tab.open("/accounts/")
    page.get_by_role("button", name="Notify me when done").click()
    expect(page.get_by_role("button", name="Notifications are on")).to_be_visible()
    inspect(page)
    page = tab.open("/library")
    assert page.locator("html").get_attribute("data-notify") == "on"


def test_a_browser_that_allows_no_notifications_says_so(new_tab: OpenTab) -> None:
    tab = new_tab()
    tab.page.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
    page = tab.open("/accounts/")
    expect(page.get_by_text("This browser does not allow them here")).to_be_visible()
    expect(page.get_by_role("button", name="Notify me when done")).to_be_hidden()
