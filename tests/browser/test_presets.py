"""Presets: chosen in place, and kept on a page of their own."""

from __future__ import annotations

from playwright.sync_api import expect

from accounts.models import User
from downloads.models import Job, Preset
from tests.browser.conftest import Tab
from tests.browser.test_accessibility import inspect

LINK = "https://video.example/watch?v=1"
MUSIC = {"quality": "audio", "audio_format": "flac", "subtitle_languages": ["en"], "priority": "normal"}


def test_a_preset_is_chosen_in_place(tab: Tab, user: User) -> None:
    Preset.objects.create(owner=user, name="Music", options=MUSIC)
    Preset.objects.create(owner=user, name="x" * 40, options={})
    page = tab.open("/")
    page.get_by_label("Links, one on each line").fill(LINK)
    page.get_by_role("link", name="Music").click()
    expect(page.locator("[name=quality][value=audio]")).to_be_checked()
    expect(page.get_by_label("Links, one on each line")).to_have_value(LINK)
    expect(page.locator("[data-options-chosen]")).to_contain_text("changed")
    inspect(page)


def test_the_choices_of_the_first_page_are_kept_in_place(tab: Tab, user: User) -> None:
    page = tab.open("/")
    page.get_by_label("Links, one on each line").fill(LINK)
    page.locator("[name=quality][value='720p']").check(force=True)
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Keep these options as a preset").fill("Lectures")
    page.get_by_label("Keep these options as a preset").press("Enter")
    expect(page.get_by_text("The preset Lectures is saved.")).to_be_visible()
    expect(page.get_by_role("link", name="Lectures")).to_be_visible()
    expect(page.get_by_label("Links, one on each line")).to_have_value(LINK)
    assert Preset.objects.get().options["quality"] == "720p"
    assert not Job.objects.exists()
    inspect(page)


def test_the_pages_can_be_read_by_all(tab: Tab, user: User) -> None:
    inspect(tab.open("/presets"))
    Preset.objects.create(owner=user, name="x" * 40, options=MUSIC)
    inspect(tab.open("/presets"))
    inspect(tab.open("/presets/new"))


def test_a_preset_is_made_and_used_without_script(plain_tab: Tab) -> None:
    page = plain_tab.open("/")
    page.get_by_label("720p").check(force=True)
    page.get_by_text("Options", exact=True).click()
    page.get_by_role("button", name="Keep these options as a preset").click()
    expect(page.locator("[name=quality][value='720p']")).to_be_checked()
    page.get_by_label("Name", exact=True).fill("Lectures")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The preset Lectures is saved.")).to_be_visible()
    page.get_by_role("link", name="Use Lectures").click()
    expect(page.locator("[name=quality][value='720p']")).to_be_checked()
    page.get_by_role("link", name="Presets", exact=True).last.click()
    page.get_by_role("link", name="Change Lectures").click()
    page.get_by_role("button", name="Delete this preset").click()
    expect(page.get_by_text("No presets yet")).to_be_visible()
