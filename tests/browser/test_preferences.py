"""What the system asks for is followed: less motion, and its own theme for those who chose none here."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Page

from accounts.models import User
from tests.browser.conftest import OpenTab, Tab
from tests.factories import JobFactory

# Whatever moves: animations that run, and elements whose style would change slowly.
MOVING = """
() => {
  const slow = (style) => style.transitionDuration.split(",").some((seconds) => parseFloat(seconds) > 0.01);
  const parts = [undefined, "::before", "::after"];
  const moves = (element) => parts.some((part) => {
    const style = getComputedStyle(element, part);
    return slow(style) || style.animationName !== "none";
  });
  return [...new Set([...document.querySelectorAll("*")].filter(moves).map(({ localName }) => localName))];
}
"""
COLOURS = """
() => [...document.querySelectorAll("html, .site-header, .button-primary, .job-card, .job-line, textarea, progress")]
  .map((element) => getComputedStyle(element))
  .map(({ color, backgroundColor, borderColor }) => [color, backgroundColor, borderColor].join())
"""
PAGES = ("/", "/library", "/batches", "/accounts/keys/", "/admin/queue/")


@pytest.fixture
def moving(user: User) -> None:
    JobFactory(owner=user, running=True, stage="extracting")
    JobFactory(owner=user, running=True, stage="downloading", progress_percent=40)


@pytest.mark.usefixtures("moving")
def test_nothing_moves_for_those_who_ask_for_that(new_tab: OpenTab) -> None:
    tab = new_tab(reduced_motion="no-preference")
    page = tab.open("/")
    assert {"button", "progress", "svg"} <= set(page.evaluate(MOVING))
    for path in PAGES:
        page = tab.open(path)
        page.emulate_media(reduced_motion="reduce")
        assert page.evaluate(MOVING) == [], path
        page.emulate_media(reduced_motion="no-preference")


def test_a_bar_is_where_it_belongs_at_once_for_those_who_ask_for_that(tab: Tab, user: User) -> None:
    """What it is made of has no style that a script can ask for."""
    User.objects.filter(pk=user.pk).update(max_queued_jobs=100)
    bar = tab.open("/accounts/usage/").get_by_role("progressbar", name="Waiting now")
    bar.evaluate("bar => { bar.value = 90; }")
    at_once = bar.screenshot()
    tab.page.wait_for_timeout(600)
    assert bar.screenshot() == at_once


@pytest.mark.usefixtures("moving")
def test_who_chose_no_theme_has_that_of_the_system(tab: Tab) -> None:
    page = tab.open("/")
    assert page.locator("html").get_attribute("data-theme") == "system"
    seen = {system: colours(page, system) for system in ("light", "dark")}
    assert seen["light"] != seen["dark"]
    for theme in ("light", "dark"):
        page.get_by_role("button", name=theme.capitalize(), exact=True).click()
        for system in ("light", "dark"):
            assert colours(page, system) == seen[theme], (theme, system)


def colours(page: Page, system: Literal["light", "dark"]) -> list[str]:
    page.emulate_media(color_scheme=system)
    found: list[str] = page.evaluate(COLOURS)
    return found
