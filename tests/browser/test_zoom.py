"""At 400 % a window of 1280 x 1024 has room for 320 x 256: nothing lies over what one has come to."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, ViewportSize, expect

from accounts.models import User
from downloads.models import Batch, Job
from tests.browser.conftest import MakeList, Tab
from tests.factories import BatchFactory, JobFactory

ZOOMED: ViewportSize = {"width": 320, "height": 256}
PHONE: ViewportSize = {"width": 360, "height": 800}
DESK: ViewportSize = {"width": 1280, "height": 900}
LONG = "2 of 3 done: keep. The state of the others does not allow it, and nothing of it was changed there."
# Goes to every control, forwards and backwards, and returns those that are then out of sight or under something else.
OBSCURED = """
() => {
  const focusable = "a[href], button, input:not([type=hidden]), select, textarea, summary, video[controls]";
  const stops = [...document.querySelectorAll(focusable)]
    .filter((stop) => !stop.disabled && stop.tabIndex >= 0 && stop.checkVisibility({ visibilityProperty: true }));
  const isHit = (parts, box) => {
    const [left, right] = [Math.max(box.left, 0), Math.min(box.right, innerWidth)];
    const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
    const hit = right > left && bottom > top && document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return Boolean(hit) && parts.some((part) => part.contains(hit));
  };
  const obscured = new Set();
  document.activeElement.blur();
  for (const stop of [...stops, ...stops.toReversed()]) {
    stop.focus();
    const parts = [stop, ...(stop.labels ?? [])];
    const boxes = parts.flatMap((part) => [...part.getClientRects()]);
    if (document.activeElement !== stop || !boxes.some((box) => isHit(parts, box))) {
      const { x, y, width, height } = stop.getBoundingClientRect();
      obscured.add(`${stop.outerHTML.slice(0, 120)} at ${[x, y, width, height].map(Math.round)} of ${innerHeight}`);
    }
  }
  return [stops.length, [...obscured]];
}
"""
# How much of the window's height stays in its place while the page moves.
STANDING = """
() => {
  const isFixed = (element) => ["fixed", "sticky"].includes(getComputedStyle(element).position);
  const stands = (element) => element && (isFixed(element) || stands(element.parentElement));
  scrollTo(0, (document.documentElement.scrollHeight - innerHeight) / 2);
  const heights = Array.from({ length: innerHeight }, (_, y) => document.elementFromPoint(innerWidth / 2, y));
  return heights.filter(stands).length / innerHeight;
}
"""


def assert_nothing_is_obscured(page: Page, *, at_least: int) -> None:
    stops, obscured = page.evaluate(OBSCURED)
    assert obscured == []
    assert stops >= at_least
    assert page.evaluate(STANDING) <= 0.5


def test_every_control_is_seen_when_one_comes_to_it(
    tab: Tab, user: User, finished: Callable[..., Job], list_of: MakeList
) -> None:
    batch: Batch = BatchFactory(owner=user, kind="playlist", title="Walks")
    done = finished(title="A walk", batch=batch, playlist_index=1, tags=["walks"])
    JobFactory(owner=user, batch=batch, playlist_index=2, running=True, stage="downloading", progress_percent=40)
    tab.page.set_viewport_size(ZOOMED)
    page = tab.open("/")
    page.get_by_text("Options", exact=True).click()
    assert_nothing_is_obscured(page, at_least=40)
    page = tab.open("/library")
    page.get_by_label("Choose A walk").check()
    assert_nothing_is_obscured(page, at_least=20)
    for path, stops in ((f"/jobs/{done.pk}", 20), (f"/batches/{batch.pk}", 15), ("/accounts/keys/", 20)):
        assert_nothing_is_obscured(tab.open(path), at_least=stops)
    page = tab.open(list_of(30))
    page.get_by_role("button", name="All", exact=True).click()
    for size in (ZOOMED, PHONE, DESK):
        page.set_viewport_size(size)
        assert_nothing_is_obscured(page, at_least=50)
    page.set_viewport_size(ZOOMED)
    page.keyboard.press("?")
    page.get_by_role("dialog", name="On the keyboard").get_by_label("Use single keys").focus()
    expect(page.get_by_label("Use single keys in this browser")).to_be_in_viewport()


def test_messages_leave_room_for_what_one_comes_to(tab: Tab, finished: Callable[..., Job]) -> None:
    finished(title="A walk")
    page = tab.open("/library")
    for _ in range(3):
        page.evaluate("text => htmx.trigger(document.body, 'notice', { level: 'error', text })", LONG)
    for size in (ZOOMED, PHONE):
        page.set_viewport_size(size)
        expect(page.locator("#toasts").get_by_role("button", name="Close").last).to_be_in_viewport()
        assert_nothing_is_obscured(page, at_least=15)
