from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from accounts.models import User
from downloads.models import Job
from tests.browser.conftest import OpenTab, Tab
from tests.factories import JobFactory

FOCUSED = "document.activeElement.textContent.trim() || document.activeElement.getAttribute('aria-label') || ''"


def press_until(page: Page, wanted: str, *, limit: int = 60) -> None:
    for _ in range(limit):
        page.keyboard.press("Tab")
        if wanted in page.evaluate(FOCUSED):
            return
    raise AssertionError(f"Tab does not reach {wanted}")


def test_the_first_stop_leads_past_the_menu(tab: Tab) -> None:
    page = tab.open("/library")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_submits_with_enter_and_writes_lines_with_shift(tab: Tab) -> None:
    page = tab.open("/")
    page.keyboard.type("https://a.example/1")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("https://a.example/2")
    expect(page.get_by_role("button", name="Download 2")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".job-card")).to_have_count(2)


def test_finds_the_links_in_what_is_pasted_anywhere(tab: Tab) -> None:
    page = tab.open("/")
    page.get_by_role("heading", name="Latest").click()
    page.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text", "look: https://a.example/1, (and https://a.example/2).\\nhttps://a.example/1.");
          document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }"""
    )
    field = page.get_by_label("Links, one on each line")
    expect(field).to_have_value("https://a.example/1\nhttps://a.example/2")
    expect(field).to_be_focused()


def test_chooses_a_quality_with_the_arrows(tab: Tab) -> None:
    page = tab.open("/")
    page.get_by_label("Best").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("1440p")).to_be_checked()


def test_opens_and_closes_the_menu(tab: Tab) -> None:
    page = tab.open("/")
    summary = page.locator("details.menu summary")
    inside = page.locator("details.menu").get_by_role("link", name="Help")
    summary.focus()
    page.keyboard.press("Enter")
    expect(inside).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(inside).to_be_hidden()
    expect(summary).to_be_focused()


def test_reaches_everything_of_a_running_job(tab: Tab, user: User) -> None:
    JobFactory(owner=user, running=True, title="A walk")
    page = tab.open("/")
    for wanted in ("A walk", "Pause A walk", "Cancel A walk"):
        press_until(page, wanted)
    page.keyboard.press("Enter")
    expect(page.locator(".row")).to_contain_text("A walk")


def open_quietly(tab: Tab, job: Job) -> Page:
    """Until it has looked again, as it does at first: there is nothing to be seen of a job that is deleted."""
    with tab.page.expect_response(lambda response: "hx-request" in response.request.headers):
        return tab.open(f"/jobs/{job.pk}")


def test_deletes_and_undoes(tab: Tab, finished: Callable[..., Job]) -> None:
    page = open_quietly(tab, finished(title="A walk"))
    page.locator("#do-delete").press("Enter")
    page.wait_for_url("**/library")
    assert not Job.objects.present().exists()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_text("Nothing was deleted: it is all back.")).to_be_visible()
    expect(page.get_by_role("link", name="A walk", exact=True)).to_be_visible()
    assert Job.objects.present().exists()


def test_offers_to_undo_for_a_while_and_not_from_under_the_focus(tab: Tab, finished: Callable[..., Job]) -> None:
    tab.page.clock.install()
    page = open_quietly(tab, finished(title="A walk"))
    page.locator("#do-delete").press("Enter")
    undo = page.get_by_role("button", name="Undo")
    undo.focus()
    page.clock.fast_forward(60_000)
    expect(undo).to_be_visible()
    undo.blur()
    page.clock.fast_forward(60_000)
    expect(undo).to_have_count(0)


def test_chooses_a_range_in_the_library(tab: Tab, user: User) -> None:
    for number in range(4):
        JobFactory(owner=user, title=f"clip {number}")
    page = tab.open("/library")
    page.get_by_label("Choose clip 3").click()
    page.get_by_label("Choose clip 1").click(modifiers=["Shift"])
    expect(page.get_by_text("3 chosen")).to_be_visible()
    page.get_by_label("All on this page").check()
    expect(page.get_by_text("4 chosen")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("4 of 4 done: cancel.")).to_be_visible()


def test_copies_a_checksum(new_tab: OpenTab, finished: Callable[..., Job]) -> None:
    tab = new_tab(permissions=["clipboard-read", "clipboard-write"])
    page = tab.open(f"/jobs/{finished(title='A walk').pk}")
    page.get_by_role("button", name="Copy the checksum").press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "0" * 64
