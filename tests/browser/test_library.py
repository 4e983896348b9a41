"""The library while downloads run: rows change in place, and what one is about to do stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from accounts.models import User
from downloads.models import Job
from tests.browser.conftest import Tab, publish
from tests.browser.test_accessibility import inspect
from tests.factories import JobFactory, row


@pytest.fixture
def failed(user: User) -> Job:
    return JobFactory(owner=user, broken=True, title="A walk")


def test_another_try_shows_in_its_row(tab: Tab, failed: Job) -> None:
    page = tab.open("/library")
    page.evaluate("window.stayed = true")
    page.get_by_role("button", name="Try again A walk").click()
    found = page.locator(".row")
    expect(found).to_contain_text("Queued")
    expect(page.get_by_role("button", name="Try again A walk")).to_have_count(0)
    expect(page.locator("#toasts")).to_contain_text("Queued for another try.")
    expect(page.locator("#filters")).to_contain_text("Queued 1")
    assert row(Job, failed.pk).status == "queued"
    assert page.evaluate("window.stayed")
    inspect(page)


def test_another_try_works_without_script(plain_tab: Tab, failed: Job) -> None:
    page = plain_tab.open("/library?q=walk")
    page.get_by_role("button", name="Try again A walk").click()
    expect(page.locator(".row")).to_contain_text("Queued")
    assert page.url.endswith("/library?q=walk")


def test_what_runs_gets_on_and_ends_in_its_row(tab: Tab, user: User, media_dir: Path) -> None:
    job = JobFactory(owner=user, running=True, stage="downloading", title="A walk", progress_percent=10)
    page = tab.open("/library")
    found = page.locator(".row")
    expect(found).to_contain_text("10 %")
    job.renew(progress_percent=60, downloaded_bytes=60, total_bytes=100)
    expect(found).to_contain_text("60 %")
    publish(job, media_dir / "clip.mp4")
    job.complete()
    expect(page.get_by_role("link", name="Save A walk")).to_be_visible()
    expect(page.locator("#filters")).to_contain_text("Completed 1")
    expect(page.locator("#ended")).to_contain_text("A walk is ready.")


def test_what_is_chosen_and_written_stays_while_rows_change(tab: Tab, user: User, finished: Callable[..., Job]) -> None:
    kept, running = finished(title="A run"), JobFactory(owner=user, running=True, title="A walk")
    page = tab.open("/library")
    page.get_by_label("Choose A run").check()
    page.get_by_label("Tag", exact=True).fill("mus")
    page.get_by_label("Tag", exact=True).focus()
    new = Job.submit(owner=user, url="https://video.example/1", host="video.example", title="New")
    expect(page.locator(".row")).to_have_count(3)
    running.cancel()
    expect(page.locator(f'[data-job="{running.pk}"]')).to_contain_text("Try again")
    expect(page.get_by_label("Choose A run")).to_be_checked()
    expect(page.get_by_label("Choose New")).not_to_be_checked()
    expect(page.locator("[data-selected]")).to_have_text("1 chosen")
    expect(page.get_by_label("Tag", exact=True)).to_have_value("mus")
    expect(page.get_by_label("Tag", exact=True)).to_be_focused()
    page.keyboard.type("ic")
    page.keyboard.press("Enter")
    expect(page.locator(f'[data-job="{kept.pk}"]')).to_contain_text("music")
    assert row(Job, new.pk).tags == []


def test_the_last_of_a_search_leaves_it_empty_and_the_next_is_shown(tab: Tab, user: User, failed: Job) -> None:
    page = tab.open("/library?status=failed")
    page.get_by_role("button", name="Try again A walk").click()
    expect(page.get_by_text("No download with this status.")).to_be_visible()
    expect(page.locator("[data-select-all]")).to_have_count(0)
    row(Job, failed.pk).cancel()
    row(Job, failed.pk).retry()
    other = JobFactory(owner=user, running=True, title="Another")
    Job.objects.filter(pk=other.pk).update(
        status="failed", lease=None, lease_expires_at=None, finished_at=other.started_at, error_code="private"
    )
    page.get_by_role("searchbox").fill("ano")
    expect(page.locator(".row")).to_contain_text("The media is private")
    expect(page.locator("[data-select-all]")).to_have_count(1)


def test_an_answer_to_an_earlier_search_is_not_shown(tab: Tab, user: User) -> None:
    JobFactory(owner=user, title="Rain on a roof")
    JobFactory(owner=user, title="A walk")
    page = tab.open("/library")
    expect(page.locator(".row")).to_have_count(2)
    held: list[Route] = []
    page.route(re.compile(r"/library$"), lambda route: held.append(route))  # noqa: PLW0108 - it marks what it is given
    page.evaluate("htmx.trigger(document.body, 'jobs-changed')")
    page.get_by_role("searchbox").press_sequentially("rain")
    expect(page.locator(".row")).to_have_count(1)
    for route in held:
        route.continue_()
    page.wait_for_timeout(500)
    assert held
    expect(page.locator(".row")).to_have_count(1)
    page.evaluate("htmx.trigger(document.body, 'jobs-changed')")
    page.wait_for_timeout(500)
    expect(page.locator(".row")).to_have_count(1)


def test_deleting_leads_back_to_the_search(tab: Tab, user: User, finished: Callable[..., Job]) -> None:
    finished(title="A walk by the sea")
    finished(title="A walk by night")
    page = tab.open("/library")
    page.get_by_role("searchbox").press_sequentially("walk")
    expect(page).to_have_url(re.compile(r"q=walk$"))
    page.get_by_role("link", name="A walk by night").first.click()
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".job-head")).to_contain_text("kept until you delete it")
    page.locator("#do-delete").click()
    page.wait_for_url("**/library?q=walk")
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url("**/library?q=walk")
    expect(page.locator(".row")).to_have_count(2)
