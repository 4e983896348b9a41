"""The pages and states that no other test looks at: axe in both themes, narrow screens, and targets for a thumb."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import ApiKey, Scope, SignInLink, User
from downloads import cookies
from downloads.engine.errors import ErrorCode, JobError
from downloads.models import CookieJar, Hold, HoldKind, Job, Node, Probe
from tests.browser.conftest import PASSWORD, OpenTab, Tab, fail_to_sign_in
from tests.browser.test_accessibility import LONG, RIGHT_TO_LEFT, UNBROKEN, inspect
from tests.factories import JobFactory
from tests.web.test_preview import found

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
COOKIES = ".site.example\tTRUE\t/\tTRUE\t{}\tsession\tvalue\n"


@pytest.fixture
def member(transactional_db: None) -> User:
    """Somebody who runs nothing here."""
    return User.objects.create_user("grace", password=PASSWORD, display_name=LONG[:140])


@pytest.fixture
def member_tab(new_tab: OpenTab, member: User, user: User) -> Tab:
    return tab_of(new_tab, member)


def tab_of(new_tab: OpenTab, somebody: User) -> Tab:
    client = Client(headers={"User-Agent": FIREFOX})
    client.force_login(somebody, backend="django.contrib.auth.backends.ModelBackend")
    tab = new_tab(is_signed_in=False)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    tab.page.context.add_cookies([{"name": "sessionid", "value": session, "url": tab.server.url}])
    return tab


# --- The account ------------------------------------------------------------------------------------------------


def test_an_account_with_several_sessions_and_a_refused_form(new_tab: OpenTab, member: User, user: User) -> None:
    tab_of(new_tab, member)
    tab = tab_of(new_tab, member)
    page = tab.open("/accounts/")
    expect(page.get_by_role("button", name="Sign out the others")).to_be_visible()
    inspect(page)
    page.get_by_label("E-mail address").evaluate("field => { field.type = 'text'; field.value = 'nobody'; }")
    tab.expect_complaint("status of 400")
    page.get_by_role("button", name="Save").click()
    page.locator(".field-errors").wait_for()
    inspect(page)


def test_closing_an_account(member_tab: Tab, tab: Tab) -> None:
    page = member_tab.open("/accounts/close/")
    member_tab.expect_complaint("status of 400")
    page.get_by_label("Your user name").fill("wrong")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Close the account").click()
    page.get_by_text("This is not your user name.").wait_for()
    inspect(page)
    inspect(tab.open("/accounts/close/"))


def test_a_refused_password(member_tab: Tab) -> None:
    page = member_tab.open("/accounts/password/")
    member_tab.expect_complaint("status of 400")
    for label in ("Old password", "New password", "New password confirmation"):
        page.get_by_label(label, exact=True).fill("12")
    page.get_by_role("button", name="Set the password").click()
    page.locator(".field-errors").first.wait_for()
    inspect(page)


def test_use_that_nears_its_limits(member_tab: Tab, member: User) -> None:
    User.objects.filter(pk=member.pk).update(max_queued_jobs=1, max_stored_bytes=5_000_000_000)
    JobFactory(owner=member)
    inspect(member_tab.open("/accounts/usage/"))


# --- Coming in --------------------------------------------------------------------------------------------------


def test_links_to_sign_in_by(new_tab: OpenTab, member: User) -> None:
    token = SignInLink.objects.issue(member, timedelta(hours=1))
    page = new_tab(is_signed_in=False).open(f"/accounts/sign-in/link/{token}/")
    inspect(page)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()
    inspect(page)
    tab = new_tab(is_signed_in=False)
    tab.expect_complaint("status of 404")
    inspect(tab.open(f"/accounts/sign-in/link/{token}/"))


def test_who_fails_too_often_is_locked_out(new_tab: OpenTab, member: User) -> None:
    tab = new_tab(is_signed_in=False)
    tab.expect_complaint("status of 429")
    page = tab.open("/accounts/sign-in/")
    fail_to_sign_in("grace", settings.AXES_FAILURE_LIMIT - 1)
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Too many tries")).to_be_visible()
    inspect(page)


@pytest.mark.usefixtures("content_types")
def test_people_and_an_invitation(tab: Tab, member: User) -> None:
    tab.expect_complaint("status of 400")
    page = tab.open("/accounts/people/")
    page.get_by_label("User name").fill("grace")
    page.get_by_role("button", name="Make an invitation").click()
    page.locator(".field-errors").wait_for()
    inspect(page)
    page.get_by_label("User name").fill("hedy")
    page.get_by_label("Operator").check()
    page.get_by_role("button", name="Make an invitation").click()
    page.get_by_role("heading", name="A link for hedy").wait_for()
    inspect(page)


# --- Settings ---------------------------------------------------------------------------------------------------


def test_a_bookmark_and_a_successor_of_a_key(tab: Tab, user: User) -> None:
    ApiKey.objects.issue(user, LONG[:100], [Scope.READ])
    page = tab.open("/accounts/keys/")
    page.get_by_text("Change or revoke").click()
    page.get_by_role("button", name="Make its successor").click()
    page.get_by_text("Copy it now").wait_for()
    inspect(page)
    page = tab.open("/accounts/keys/")
    page.locator("#bookmark-name").fill("Firefox")
    page.get_by_role("button", name="Make a bookmark").click()
    page.get_by_text("Keep it now").wait_for()
    inspect(page)


def test_a_refused_key(tab: Tab) -> None:
    tab.expect_complaint("status of 400", "cannot be parsed")
    page = tab.open("/accounts/keys/")
    page.locator("#id_name").fill("phone")
    page.get_by_text("Limits", exact=True).click()
    page.get_by_label("Jobs a day").evaluate("field => { field.type = 'text'; field.value = 'x'; }")
    page.get_by_role("button", name="Make a key").click()
    page.locator(".field-errors").wait_for()
    inspect(page)


def test_cookies_that_have_expired_or_were_refused(tab: Tab, user: User) -> None:
    cookies.store(user, COOKIES.format(4_102_444_800), "old")
    CookieJar.objects.update(expires_at=timezone.now() - timedelta(days=2), last_used_at=timezone.now())
    page = tab.open("/cookies")
    expect(page.get_by_text("Expired", exact=True)).to_be_visible()
    page.get_by_label("Or its text").fill("nonsense\nmore nonsense")
    page.get_by_role("button", name="Store").click()
    page.locator(".field-errors").first.wait_for()
    inspect(page)


@pytest.mark.parametrize("is_good", [True, False])
def test_what_came_of_a_test_of_cookies(tab: Tab, user: User, is_good: bool) -> None:
    jar = cookies.store(user, COOKIES.format(4_102_444_800), "mine")
    page = tab.open("/cookies")
    page.get_by_text("Test or delete").click()
    page.get_by_label("A page that needs them").fill("https://site.example/watch")
    page.get_by_role("button", name="Test").click()
    page.get_by_text("being looked at").wait_for()
    probe = Probe.objects.get(cookies=jar)
    probe.start("node-1/1/1")
    if is_good:
        probe.complete(found(title=RIGHT_TO_LEFT))
    else:
        probe.fail(JobError(ErrorCode.LOGIN_REQUIRED, "It wants to know who you are"))
    page.get_by_text("It works" if is_good else "wants a signed-in").wait_for()
    inspect(page)


def test_refused_presets_and_webhooks(tab: Tab) -> None:
    page = tab.open("/presets/new")
    page.get_by_label("Name", exact=True).fill("Music")
    page.get_by_label("File name").fill("{nothing}")
    page.get_by_role("button", name="Save").click()
    page.locator(".field-errors").first.wait_for()
    inspect(page)
    page = tab.open("/webhooks/")
    inspect(page)
    page.get_by_role("textbox", name="Address").fill("ftp://hooks.example/")
    page.get_by_role("button", name="Make a webhook").click()
    page.locator(".field-errors").first.wait_for()
    inspect(page)


# --- The library ------------------------------------------------------------------------------------------------


def test_a_library_with_tags_and_a_limit(member_tab: Tab, member: User) -> None:
    User.objects.filter(pk=member.pk).update(max_stored_bytes=5_000_000_000)
    names = ["lectures", RIGHT_TO_LEFT, "x" * 50, *(f"tag {number}" for number in range(12))]
    for name in names:
        JobFactory(owner=member, finished=True, title=LONG, tags=[name, "everywhere"])
    page = member_tab.open("/library?tag=lectures")
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_text("More tags").click()
    page.locator("[name=job]").check()
    inspect(page)
    inspect(member_tab.open("/library?tag=lectures&q=nothing"))


def test_a_log_on_a_page_of_its_own(tab: Tab, finished: Callable[..., Job]) -> None:
    inspect(tab.open(f"/jobs/{finished(title=LONG).pk}/log"))


# --- Everywhere -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/sites", "/sites?q=youtube", "/sites?q=https://nowhere.example/1", "/docs/errors", "/offline"]
)
def test_pages_to_read(tab: Tab, path: str) -> None:
    page = tab.open(path)
    # Of well over a thousand sites the first are like all the others, and take a hundredth of the time.
    page.evaluate("for (const site of document.querySelectorAll('.site:nth-child(n + 40)')) site.remove()")
    inspect(page)


def test_the_sheet_of_keys(tab: Tab) -> None:
    page = tab.open("/library")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="On the keyboard").wait_for()
    inspect(page)


def test_a_page_that_can_be_installed(tab: Tab) -> None:
    page = tab.open("/help")
    page.evaluate("dispatchEvent(new Event('beforeinstallprompt'))")
    page.locator("main [data-install]").wait_for()
    page.locator("details.menu summary").click()
    page.locator(".menu-list [data-install]").wait_for()
    inspect(page)


def test_what_a_bookmark_opens(new_tab: OpenTab, user: User) -> None:
    tab = new_tab(is_signed_in=False)
    inspect(tab.open("/send"))
    _, plain = ApiKey.objects.issue(user, "Firefox", [Scope.SUBMIT])
    page = new_tab(is_signed_in=False).open(f"/send#key={plain}&url={UNBROKEN.replace(':', '%3A')}")
    page.get_by_text("It is in your queue.").wait_for()
    inspect(page)


def test_warnings(tab: Tab, user: User) -> None:
    Node.objects.all().delete()
    Hold.objects.create(kind=HoldKind.QUEUE)
    page = tab.open("/")
    expect(page.locator(".notice-warning")).to_have_count(2)
    inspect(page)


@pytest.mark.parametrize(
    ("sent", "code"), [({"theme": "dark"}, "403"), ({"text": "x" * 6_000_000, "csrfmiddlewaretoken": "x"}, "413")]
)
def test_a_form_that_is_refused(tab: Tab, user: User, sent: dict[str, Any], code: str) -> None:
    tab.expect_complaint(f"status of {code}")
    page = tab.open("/help")
    page.evaluate(
        """sent => {
          const form = document.createElement("form");
          form.method = "post";
          form.action = "/theme";
          for (const [name, value] of Object.entries(sent)) {
            const field = document.createElement("input");
            [field.type, field.name, field.value] = ["hidden", name, value];
            form.append(field);
          }
          document.body.append(form);
          form.submit();
        }""",
        sent,
    )
    expect(page.locator(".error-page .code")).to_have_text(code)
    inspect(page)
