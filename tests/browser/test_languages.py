"""Somebody who reads German follows a download; somebody without scripts changes the language."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from downloads.models import Job, JobEvent
from tests.browser.conftest import OpenTab, Tab
from tests.factories import JobFactory

PAGES = ("/", "/library", "/batches", "/accounts/", "/accounts/keys/", "/accounts/usage/", "/webhooks/", "/cookies")


@pytest.fixture
def german_tab(new_tab: OpenTab) -> Tab:
    return new_tab(locale="de-DE")


def test_a_download_in_german_with_what_scripts_say(german_tab: Tab, user: User) -> None:
    page = german_tab.open("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Link einfügen, Datei behalten")
    page.locator("#id_urls").fill("ftp://example.com/a")
    page.get_by_role("button", name="Herunterladen").click()
    expect(page.locator(".field-errors")).to_have_text("Eine URL beginnt mit http:// oder https://.")
    page.locator("#id_urls").fill("https://example.com/a\nhttps://example.com/b")
    expect(page.get_by_role("button", name="2 herunterladen")).to_be_visible()
    job = JobFactory(owner=user, running=True, title="Ein Spaziergang", downloaded_bytes=1_234_567)
    page.reload()
    expect(page.locator("[data-bytes]")).to_have_text("1,2 MB")
    Job.objects.filter(pk=job.pk).update(
        status="failed", lease=None, lease_expires_at=None, finished_at=job.started_at, error_code="private"
    )
    JobEvent.objects.append(Job.objects.filter(pk=job.pk).get(), "failed")
    expect(page.locator(".row")).to_contain_text("Das Medium ist privat")
    expect(page.locator("#announcer")).to_have_text("Ein Spaziergang ist fehlgeschlagen.")
    page.locator(".row").get_by_role("link", name="Ein Spaziergang").click()
    expect(page.get_by_role("heading", name="Das Medium ist privat")).to_be_visible()
    expect(page.locator("time[data-relative]").first).to_have_text("gerade eben")


def test_the_language_is_changed_and_kept_without_a_script(plain_tab: Tab) -> None:
    page = plain_tab.open("/library")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bibliothek")
    expect(page).to_have_url(f"{plain_tab.server.url}/library")
    expect(plain_tab.open("/accounts/").get_by_role("heading", level=1)).to_have_text("Konto")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Account")


@pytest.mark.parametrize("width", [320, 1280])
def test_long_words_stay_in_their_place(new_tab: OpenTab, user: User, width: int) -> None:
    JobFactory(owner=user, running=True)
    tab = new_tab(locale="de-DE", width=width)
    for path in PAGES:
        assert overflow(tab.open(path)) <= 0, path


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider
