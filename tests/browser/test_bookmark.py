"""A bookmark that sends, used on a page of another site that allows scripts nothing."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from accounts.models import ApiKey, Scope, User
from downloads.models import Job
from tests.browser.conftest import OpenTab, Tab

ELSEWHERE = "https://elsewhere.example/watch?v=1&t=2#chapter+1"
FORBIDS = {"Content-Security-Policy": "default-src 'none'; form-action 'none'"}


def code_of(page: Page) -> str:
    return page.get_by_label("Or make a bookmark").input_value().removeprefix("javascript:")


def elsewhere(tab: Tab) -> Page:
    tab.page.route("https://elsewhere.example/**", lambda route: route.fulfill(body="<p>A video", headers=FORBIDS))
    tab.page.goto(ELSEWHERE)
    return tab.page


def test_sends_the_page_one_is_on_without_signing_in(tab: Tab, new_tab: OpenTab) -> None:
    page = tab.open("/accounts/keys/")
    page.locator("#bookmark-name").fill("Firefox")
    page.get_by_role("button", name="Make a bookmark").click()
    code = code_of(page)
    stranger = new_tab(is_signed_in=False)
    stranger.expect_complaint("left the site: https://elsewhere.example/watch")
    with stranger.page.context.expect_page() as opened:
        elsewhere(stranger).evaluate(code)
    ours = opened.value
    expect(ours.get_by_role("status").filter(has_text="It is in your queue.")).to_be_visible()
    job = Job.objects.get()
    assert (job.url, job.api_key) == (ELSEWHERE, ApiKey.objects.get())
    assert ours.url == f"{tab.server.url}/send"
    assert ours.evaluate("window.opener") is None
    assert (ours.get_by_role("link", name="Look at it").get_attribute("href") or "").endswith(f"/jobs/{job.pk}")
    ours.reload()
    expect(ours.get_by_text("There is nothing to send")).to_be_visible()
    assert Job.objects.count() == 1


def test_says_why_nothing_was_sent(new_tab: OpenTab, user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "Firefox", [Scope.SUBMIT])
    key.revoke()
    tab = new_tab(is_signed_in=False)
    tab.expect_complaint("status of 401")
    page = tab.open(f"/send#key={plain}&url=https%3A%2F%2Felsewhere.example%2F")
    expect(page.get_by_text("The API key is not valid.")).to_be_visible()
    assert not Job.objects.exists()
