"""The admin site: axe in both themes, nothing wider than a narrow screen but tables that scroll, and no complaint."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import ApiKey, Scope, User
from downloads import cookies
from downloads.models import Downloaded, JobEvent, JobLog, Link, Node
from tests.browser.conftest import Tab
from tests.browser.test_accessibility import COLOURS, LONG, RIGHT_TO_LEFT, RULES, TOO_WIDE, UNBROKEN, complaints
from tests.factories import BatchFactory, JobFactory, MediaFileFactory, UserFactory
from webhooks.models import Delivery, Endpoint

# The server remembers the ids of content types, and writes them into the admin's log.
pytestmark = pytest.mark.usefixtures("content_types")

USERS, ATTEMPTS = "/admin/accounts/user/", "/admin/axes/accessattempt/"
# Django's forms import a style sheet from another: axe would make one of it, which our policy refuses.
UNLOADED = {"preload": False}
MODELS = [pytest.param(model, id=model.__name__) for model in admin.site._registry]


def check(tab: Tab) -> None:
    for theme, options in (("light", RULES), ("dark", COLOURS)):
        assert complaints(tab.page, theme, options | UNLOADED) == [], theme
    for width in (360, 320):
        tab.page.set_viewport_size({"width": width, "height": 800})
        assert not tab.page.evaluate(TOO_WIDE), f"wider than {width}"


@pytest.fixture
def everything(user: User) -> User:
    """Rows in each list, with names that are hard to lay out. Returns one who has them."""
    later, now = timezone.now() + timedelta(days=9), timezone.now()
    owner = UserFactory(username="a-user-with-a-long-name@example.org", display_name=LONG[:150])
    batch = BatchFactory(owner=owner, kind="playlist", title=LONG, url=UNBROKEN)
    job = JobFactory(owner=owner, finished=True, title=LONG, url=UNBROKEN, batch=batch, playlist_index=1)
    JobFactory(owner=owner, title=RIGHT_TO_LEFT, broken=True, error_message=f"ERROR: {UNBROKEN}")
    JobEvent.objects.append(job, "completed", note=UNBROKEN)
    JobLog.objects.append(job, [(now, level, f"{level} {UNBROKEN}") for level in JobLog.LEVELS])
    file = MediaFileFactory(job=job, filename="x" * 200 + ".mp4")
    Link.objects.issue(file, owner, now, label=LONG[:100])
    Downloaded.objects.create(owner=owner, extractor="site", media_id="7" * 64, job=job)
    cookies.store(owner, ".site.example\tTRUE\t/\tTRUE\t4102444800\tsession\tvalue\n", "x" * 90)
    ApiKey.objects.issue(owner, LONG[:100], [*Scope], later)
    hook = Endpoint.objects.create(owner=owner, url=UNBROKEN, description=LONG[:100], sealed_secret="x")
    sent = {"status": "dead", "error": "timeout", "finished_at": now, "response_excerpt": UNBROKEN}
    told = {"event": "download.completed", "body": "{}", "lane": "x", "url": UNBROKEN, "request_id": job.pk}
    Delivery.objects.create(endpoint=hook, owner=owner, **told, **sent)
    AccessAttempt.objects.create(username="ada", ip_address="2001:db8::7", user_agent=LONG, failures_since_start=3)
    Node.objects.pulse("node-1", slots=4, version="1.0", sandbox="full")
    Group.objects.create(name="helpers")
    LogEntry.objects.log_actions(user.pk, [job, batch], CHANGE, change_message="Cancelled.")
    return owner


@pytest.mark.parametrize("model", MODELS)
def test_a_list_and_what_it_leads_to(tab: Tab, everything: User, model: type[Model]) -> None:
    address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    tab.open(address)
    expect(tab.page.locator("#result_list tbody tr").first).to_be_visible()
    check(tab)
    newest = model._default_manager.order_by("-pk").values_list("pk", flat=True)[0]
    tab.open(f"{address}{quote(newest)}/change/")
    expect(tab.page.locator("#content-main > form")).to_be_visible()
    check(tab)


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize(
    "path",
    [
        *("", "accounts/", "downloads/job/?q=nothing-like-it", "downloads/job/?status__exact=failed&q=site"),
        *("accounts/user/add/", "auth/group/add/", "webhooks/delivery/?e=1", "password_change/"),
    ],
)
def test_a_page(tab: Tab, path: str) -> None:
    tab.open(f"/admin/{path}")
    check(tab)


@pytest.mark.parametrize("page", ["history", "password"])
def test_a_page_of_a_user(tab: Tab, everything: User, page: str) -> None:
    tab.open(f"{USERS}{everything.pk}/{page}/")
    check(tab)


def test_a_refused_form(tab: Tab, everything: User) -> None:
    page = tab.open(f"{USERS}{everything.pk}/change/")
    page.get_by_label("User name").fill("ada")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#id_username_error")).to_be_visible()
    check(tab)


def choose_all(page: Page, action: str) -> None:
    page.locator("select[name=action]").select_option(label=action)
    page.locator("#action-toggle").check()
    page.get_by_role("button", name="Go", exact=True).click()


def test_accounts_are_closed_after_a_question(tab: Tab, everything: User) -> None:
    page = tab.open(USERS)
    choose_all(page, "Close the accounts")
    expect(page.get_by_text("These stay")).to_be_visible()
    check(tab)


def test_the_button_of_a_user_leads_to_the_question(tab: Tab, everything: User) -> None:
    page = tab.open(f"{USERS}{everything.pk}/change/")
    page.get_by_role("button", name="Close the account").click()
    expect(page.get_by_role("button", name="Close them")).to_be_visible()
    check(tab)


def test_the_question_is_asked_and_answered_without_script(plain_tab: Tab, everything: User) -> None:
    page = plain_tab.open(f"{USERS}{everything.pk}/change/")
    page.get_by_role("button", name="Close the account").click()
    page.get_by_role("link", name="Back to the users").click()
    expect(page.locator("#result_list")).to_contain_text(everything.username)
    everything.refresh_from_db()
    assert everything.closed_at is None


@pytest.mark.parametrize("is_many", [False, True])
def test_failed_sign_ins_are_forgiven_after_a_question(tab: Tab, everything: User, is_many: bool) -> None:
    attempt = AccessAttempt.objects.get()
    page = tab.open(ATTEMPTS if is_many else f"{ATTEMPTS}{attempt.pk}/delete/")
    if is_many:
        choose_all(page, "Delete selected access attempts")
    expect(page.get_by_role("button", name="Yes, I")).to_be_visible()
    check(tab)


def test_links_to_sign_in(tab: Tab, everything: User) -> None:
    page = tab.open(f"{USERS}?q={everything.username}")
    choose_all(page, "Make one-time links to sign in")
    expect(page.get_by_text("shown this once")).to_be_visible()
    check(tab)


def test_a_page_of_a_list_of_many(tab: Tab, user: User) -> None:
    JobFactory.create_batch(120, owner=user, title=LONG)
    tab.open("/admin/downloads/job/?p=2")
    expect(tab.page.locator(".paginator")).to_contain_text("120 jobs")
    check(tab)


def test_what_an_action_did_is_said(tab: Tab, user: User) -> None:
    JobFactory(owner=user, title="Waits")
    JobFactory(owner=user, title="Done", finished=True)
    page = tab.open("/admin/downloads/job/")
    choose_all(page, "Pause")
    expect(page.get_by_text("Refused, because of their state: 1.")).to_be_visible()
    check(tab)
