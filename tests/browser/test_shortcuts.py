"""Single keys, the sheet that lists them, and what the pages say and offer by themselves."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from accounts.models import User
from downloads.models import Job
from tests.browser.conftest import OpenTab, Tab
from tests.factories import JobFactory

FOCUSED = "document.activeElement.textContent.trim()"


def test_the_sheet_opens_by_key_and_by_link_and_gives_the_focus_back(tab: Tab) -> None:
    page = tab.open("/library")
    sheet = page.get_by_role("dialog", name="On the keyboard")
    page.keyboard.press("?")
    expect(sheet).to_be_visible()
    expect(sheet.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    link = page.get_by_role("link", name="Keyboard")
    link.focus()
    page.keyboard.press("Enter")
    expect(sheet).to_be_visible()
    sheet.get_by_role("button", name="Close").click()
    expect(sheet).to_have_count(0)
    expect(link).to_be_focused()


def test_without_a_script_the_link_leads_to_the_list(plain_tab: Tab) -> None:
    page = plain_tab.open("/library")
    page.get_by_role("link", name="Keyboard").click()
    expect(page).to_have_url(f"{plain_tab.server.url}/help#keyboard")
    expect(page.get_by_role("heading", name="On the keyboard")).to_be_in_viewport()


def test_keys_lead_to_pages_and_fields(tab: Tab) -> None:
    page = tab.open("/help")
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.wait_for_url(f"{tab.server.url}/library")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("g?n")
    expect(page.get_by_role("searchbox")).to_have_value("g?n")
    page.locator("h1").click()
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.wait_for_url("**/webhooks/")
    page.keyboard.press("n")
    expect(page.get_by_label("Links, one on each line")).to_be_focused()


def test_keys_go_through_a_list_and_tick(tab: Tab, user: User) -> None:
    for number in range(3):
        JobFactory(owner=user, finished=True, title=f"clip {number}")
    page = tab.open("/library")
    for key, wanted in (("j", "clip 2"), ("j", "clip 1"), ("k", "clip 2"), ("j", "clip 1")):
        page.keyboard.press(key)
        assert page.evaluate(FOCUSED) == wanted
    page.keyboard.press("x")
    expect(page.get_by_label("Choose clip 1")).to_be_checked()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("clip 0")


def test_keys_can_be_switched_off(tab: Tab) -> None:
    page = tab.open("/help")
    page.get_by_role("link", name="Keyboard").click()
    page.get_by_label("Use single keys in this browser").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("link", name="Keyboard").click()
    page.get_by_label("Use single keys in this browser").check()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_installing_is_offered_where_the_browser_can_and_once(tab: Tab) -> None:
    page = tab.open("/help")
    offer = page.locator("main [data-install]")
    expect(offer).to_be_hidden()
    page.evaluate(
        """() => {
          const event = new Event("beforeinstallprompt", { cancelable: true });
          event.prompt = () => { window.asked = true; };
          event.userChoice = Promise.resolve({ outcome: "dismissed" });
          dispatchEvent(event);
        }"""
    )
    offer.click()
    assert page.evaluate("window.asked") is True
    expect(offer).to_be_hidden()


def test_how_far_downloads_are_is_said_now_and_then(tab: Tab, user: User) -> None:
    tab.page.clock.install()
    JobFactory(owner=user, running=True, title="A walk", progress_percent=42.7)
    page = tab.open("/")
    expect(page.locator("#announcer")).to_have_text("")
    page.clock.run_for(31_000)
    expect(page.locator("#announcer")).to_have_text("A walk: 42 %")
    page.locator("#announcer").evaluate("element => element.textContent = ''")
    page.clock.run_for(60_000)
    expect(page.locator("#announcer")).to_have_text("")


def test_a_library_is_tagged_and_filtered(tab: Tab, finished: Callable[..., Job]) -> None:
    finished(title="Rain")
    finished(title="Snow")
    page = tab.open("/library")
    page.get_by_label("Choose Rain").check()
    page.get_by_label("Tag", exact=True).fill("weather")
    page.get_by_label("Tag", exact=True).press("Enter")
    expect(page.get_by_text("1 of 1 done: tagged “weather”.")).to_be_visible()
    page.get_by_role("navigation", name="Tags").get_by_role("link", name="weather").click()
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("link", name="show all").click()
    expect(page.locator(".row")).to_have_count(2)


def test_a_library_is_tagged_without_a_script(new_tab: OpenTab, finished: Callable[..., Job]) -> None:
    finished(title="Rain")
    page = new_tab(java_script_enabled=False).open("/library")
    page.get_by_label("Choose Rain").check()
    page.get_by_label("Tag", exact=True).fill("weather")
    page.get_by_role("button", name="Add tag").click()
    expect(page.get_by_text("1 of 1 done: tagged “weather”.")).to_be_visible()
