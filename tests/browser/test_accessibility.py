"""Every page and state, wide and on a phone: axe in both themes, no overflow, and targets that a thumb can hit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.utils import timezone
from playwright.sync_api import Page

from accounts.models import ApiKey, DayUsage, User
from downloads import cookies
from downloads.models import Job, JobEvent, JobLog
from tests.browser.conftest import OpenTab, Tab
from tests.factories import JobFactory

LONG = "The extraordinarily long title of a video whose author could not stop writing, " * 3
UNBROKEN = "https://gone.example/" + "x" * 400
RIGHT_TO_LEFT = "كيف تصنع الخبز في المنزل - الحلقة ٣"
# Inline links, and boxes whose label is the target, are exempt.
TARGETS = (
    "button, summary, select, textarea, input:not([type=hidden], [type=checkbox], [type=radio]), .button, .chip, "
    ".brand, .chips label, .field-choices label, .check, .row-choice, .site-nav a, .menu-list a, .pager a"
)
SMALL = f"""
[...document.querySelectorAll({TARGETS!r})]
  .filter((element) => element.checkVisibility())
  .map((element) => [element, element.getBoundingClientRect()])
  .filter(([, box]) => box.width > 1 && (box.width < 43.9 || box.height < 43.9))
  .map(([element, box]) => `${{element.outerHTML.slice(0, 90)}} is ${{box.width}} x ${{box.height}}`)
"""
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
# The one rule of axe that is new in WCAG 2.2, and that it leaves out unless asked.
RULES: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
SIZES: dict[str, Any] = {"runOnly": ["target-size"], "resultTypes": ["violations"]}
# All of axe that a theme can make a difference to.
COLOURS: dict[str, Any] = {"runOnly": ["color-contrast", "link-in-text-block"], "resultTypes": ["violations"]}
PHONE, NARROWEST = 360, 320


def inspect(page: Page, part: str = "html") -> None:
    """As it was opened, on a phone, and on the narrowest one; `part` is what axe looks at."""
    opened = page.viewport_size
    assert opened is not None
    for width, looks in (
        (opened["width"], {"light": RULES, "dark": COLOURS}),
        (PHONE, {"light": COLOURS, "dark": RULES}),
        (NARROWEST, {"light": SIZES}),
    ):
        page.set_viewport_size({"width": width, "height": opened["height"]})
        assert not page.evaluate(TOO_WIDE), f"wider than {width}"
        assert page.evaluate(SMALL) == [], f"at {width}"
        for theme, options in looks.items():
            assert complaints(page, theme, options, part) == [], f"{theme}, at {width}"
    page.set_viewport_size(opened)


def complaints(page: Page, theme: str, options: dict[str, Any], part: str = "html") -> list[str]:
    """Of axe."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    found = page.evaluate("([part, options]) => axe.run(part, options)", [part, options])
    return [
        f"{item['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
        for item in found["violations"]
        for node in item["nodes"]
    ]


@pytest.fixture
def everything(user: User, finished: Callable[..., Job]) -> dict[str, Job]:
    """Jobs in every state, with titles that are hard to lay out."""
    later = timezone.now() + timedelta(minutes=9)
    bytes_of = {"progress_percent": 42.5, "downloaded_bytes": 118_200_000, "total_bytes": 276_134_947}
    done = finished(title=LONG, tags=["one", "two"], options={"download_subtitles": True}, format="137+140")
    gone = finished(title="Gone")
    gone.files.update(deleted_at=timezone.now())
    jobs = {
        "running": JobFactory(owner=user, running=True, title=LONG, stage="downloading", speed=5e6, eta=29, **bytes_of),
        "new": JobFactory(owner=user, running=True, stage="extracting", url=UNBROKEN),
        "queued": JobFactory(owner=user, title=RIGHT_TO_LEFT),
        "retrying": JobFactory(owner=user, title="Later", eligible_at=later, error_code="rate_limited", attempt=1),
        "delayed": JobFactory(owner=user, eligible_at=later),
        "paused": JobFactory(owner=user, status="paused", title="Paused", **bytes_of),
        "failed": JobFactory(owner=user, broken=True, url=UNBROKEN, error_message=f"ERROR: {UNBROKEN}"),
        "cancelled": JobFactory(owner=user, status="cancelled", finished_at=timezone.now(), title="Cancelled"),
        "done": done,
        "gone": gone,
    }
    for kind in ("queued", "started", "retrying", "lost", "completed"):
        JobEvent.objects.append(done, kind)
    JobLog.objects.append(done, [(timezone.now(), level, f"{level} {UNBROKEN}") for level in JobLog.LEVELS])
    return jobs


def test_home_with_everything(tab: Tab, everything: dict[str, Job]) -> None:
    inspect(tab.open("/"))


def test_home_with_nothing(tab: Tab) -> None:
    page = tab.open("/")
    assert page.get_by_text("Nothing here yet").is_visible()
    inspect(page)


@pytest.mark.parametrize("quality", ["best", "audio"])
def test_home_with_all_options_open(tab: Tab, quality: str) -> None:
    page = tab.open("/")
    page.locator(f"[name=quality][value={quality}]").check()
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Download subtitles").check()
    assert page.get_by_label("Container").is_visible() is (quality == "best")
    assert page.get_by_label("Audio format").is_visible() is (quality == "audio")
    inspect(page)


def test_home_with_a_refused_form(tab: Tab) -> None:
    page = tab.open("/")
    page.get_by_label("Links, one on each line").fill(f"ftp://old.example/\n{UNBROKEN}")
    page.get_by_role("button", name="Download").click()
    page.get_by_text("A URL begins with").wait_for()
    inspect(page)


def test_cookies(tab: Tab, user: User) -> None:
    cookies.store(user, ".site.example\tTRUE\t/\tTRUE\t4102444800\tsession\tvalue\n", "x" * 90)
    page = tab.open("/cookies")
    page.get_by_text("Test or delete").click()
    inspect(page)
    page.get_by_label("A page that needs them").fill(UNBROKEN)
    page.get_by_role("button", name="Test").click()
    page.get_by_text("being looked at").wait_for()
    inspect(page)


def test_home_with_the_menu_open(tab: Tab) -> None:
    page = tab.open("/")
    page.locator("details.menu summary").click()
    # It covers a part of the rest, as menus do.
    inspect(page, ".site-header")


@pytest.mark.parametrize("state", ["running", "new", "queued", "retrying", "paused", "failed", "done", "gone"])
def test_a_job(tab: Tab, everything: dict[str, Job], state: str) -> None:
    inspect(tab.open(f"/jobs/{everything[state].pk}"))


def test_a_deletion_that_can_be_undone(tab: Tab, everything: dict[str, Job]) -> None:
    page = tab.open("/library")
    page.get_by_label("Choose Cancelled").check()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").wait_for()
    inspect(page)


def test_a_toast(tab: Tab, everything: dict[str, Job]) -> None:
    page = tab.open(f"/jobs/{everything['queued'].pk}")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused. What has arrived stays.").wait_for()
    inspect(page)


def test_the_library(tab: Tab, everything: dict[str, Job]) -> None:
    page = tab.open("/library")
    page.get_by_label("Choose Paused").check()
    inspect(page)


@pytest.mark.parametrize(
    "path",
    [
        *("/library", "/library?q=nothing", "/help"),
        *("/accounts/", "/accounts/keys/", "/accounts/usage/", "/accounts/password/"),
    ],
)
def test_a_page_without_content(tab: Tab, path: str) -> None:
    inspect(tab.open(path))


def test_keys(tab: Tab, user: User) -> None:
    used, _ = ApiKey.objects.issue(user, LONG[:100], ["read", "write"], timezone.now() + timedelta(days=3))
    DayUsage.objects.take_jobs(used.pk, 3)
    ApiKey.objects.issue(user, "old laptop", ["read"], None)[0].revoke()
    page = tab.open("/accounts/keys/")
    page.get_by_text("Use in the last 30 days").click()
    page.get_by_text("Change or revoke").click()
    inspect(page)


def test_a_new_key(tab: Tab) -> None:
    page = tab.open("/accounts/keys/")
    page.locator("#id_name").fill("phone")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_text("Copy it now").wait_for()
    inspect(page)


def test_the_sign_in_page(new_tab: OpenTab, user: User) -> None:
    tab = new_tab(is_signed_in=False)
    tab.expect_complaint("status of 400")
    page = tab.open("/library")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("do not match").wait_for()
    inspect(page)


def test_an_error(tab: Tab) -> None:
    tab.expect_complaint("status of 404")
    inspect(tab.open("/nowhere"))
