"""The pages of settings and of coming in, in a browser that runs no script."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect

from accounts.models import Session, SignInLink, User
from downloads import cookies
from downloads.models import CookieJar, Job, Probe
from tests.browser.conftest import PASSWORD, OpenTab, Tab, fail_to_sign_in
from tests.factories import JobFactory
from tests.web.test_preview import found

COOKIES = ".site.example\tTRUE\t/\tTRUE\t4102444800\tsession\tvalue\n"
NEW_PASSWORD = "another long sentence"


@pytest.fixture
def stranger(new_tab: OpenTab) -> Tab:
    """Nobody yet, without scripts."""
    return new_tab(is_signed_in=False, java_script_enabled=False)


def sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


# --- Coming in --------------------------------------------------------------------------------------------------


def test_signs_in_and_out(stranger: Tab, user: User) -> None:
    page = stranger.open("/library")
    stranger.expect_complaint("status of 400")
    sign_in(page, "ada", "wrong")
    expect(page.get_by_text("do not match")).to_be_visible()
    sign_in(page, "ada", PASSWORD)
    expect(page).to_have_url(f"{stranger.server.url}/library")
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_who_fails_too_often_is_locked_out(stranger: Tab, user: User) -> None:
    fail_to_sign_in("ada", settings.AXES_FAILURE_LIMIT - 2)
    page = stranger.open("/accounts/sign-in/")
    stranger.expect_complaint("status of 400", "status of 429")
    sign_in(page, "ada", "wrong")
    expect(page.get_by_text("do not match")).to_be_visible()
    sign_in(page, "ada", "wrong")
    expect(page.get_by_role("heading", name="Too many tries")).to_be_visible()
    page = stranger.open("/accounts/sign-in/")
    sign_in(page, "ada", PASSWORD)
    expect(page.get_by_role("heading", name="Too many tries")).to_be_visible()


@pytest.mark.usefixtures("content_types")
def test_invites_somebody_who_comes_in_and_chooses_a_password(plain_tab: Tab, stranger: Tab) -> None:
    page = plain_tab.open("/accounts/people/")
    page.get_by_label("User name").fill("hedy")
    page.get_by_role("button", name="Make an invitation").click()
    address = page.get_by_role("textbox", name="Link").input_value()
    page.get_by_role("link", name="Back to people").click()
    expect(page.get_by_role("article").filter(has_text="hedy")).to_contain_text("Invited")
    guest = stranger.page
    guest.goto(address)
    guest.get_by_role("button", name="Sign in").click()
    for label in ("New password", "New password confirmation"):
        guest.get_by_label(label, exact=True).fill(NEW_PASSWORD)
    guest.get_by_role("button", name="Set the password").click()
    expect(guest.get_by_label("Links, one on each line")).to_be_visible()
    page.reload()
    expect(page.get_by_role("article").filter(has_text="hedy")).not_to_contain_text("Invited")


# --- The account ------------------------------------------------------------------------------------------------


def test_changes_the_profile_and_the_password(plain_tab: Tab, user: User) -> None:
    page = plain_tab.open("/accounts/")
    page.get_by_label("Name", exact=True).fill("Ada L.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your account is changed.")).to_be_visible()
    expect(page.locator(".menu-who")).to_have_text("Ada L.")
    page.get_by_role("link", name="Change the password").click()
    page.get_by_label("Old password").fill(PASSWORD)
    for label in ("New password", "New password confirmation"):
        page.get_by_label(label, exact=True).fill(NEW_PASSWORD)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text("Your password is set.")).to_be_visible()
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD)


def test_signs_out_the_other_browsers(plain_tab: Tab, user: User) -> None:
    for _ in range(2):
        Client().force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    page = plain_tab.open("/accounts/")
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    expect(page.get_by_text("That browser is signed out.")).to_be_visible()
    page.get_by_role("button", name="Sign out the others").click()
    expect(page.get_by_text("Every other browser is signed out.")).to_be_visible()
    assert Session.objects.of_user(user).count() == 1


def test_takes_everything_along_and_closes_the_account(stranger: Tab, user: User) -> None:
    member = User.objects.create(username="grace", password=user.password)
    JobFactory(owner=member, title="A walk")
    token = SignInLink.objects.issue(member, timedelta(hours=1))
    page = stranger.open(f"/accounts/sign-in/link/{token}/")
    page.get_by_role("button", name="Sign in").click()
    page = stranger.open("/accounts/")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download my data").click()
    assert "A walk" in json.dumps(json.loads(Path(download.value.path()).read_text()))
    page.get_by_role("link", name="Close this account").click()
    page.get_by_label("Your user name").fill("grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Close the account").click()
    expect(page.get_by_text("Your account is closed")).to_be_visible()
    assert not User.objects.able_to_sign_in().filter(username="grace").exists()


def test_reads_what_has_been_used_and_which_sites_there_are(plain_tab: Tab, user: User) -> None:
    JobFactory(owner=user)
    User.objects.filter(pk=user.pk).update(max_queued_jobs=4)
    page = plain_tab.open("/accounts/usage/")
    expect(page.get_by_role("listitem").filter(has_text="Waiting now")).to_contain_text("1 of 4")
    expect(page.get_by_role("progressbar", name="Waiting now")).to_be_visible()
    page = plain_tab.open("/sites")
    page.get_by_role("searchbox").fill("https://nowhere.example/1")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_label("Links, one on each line")).to_have_value("https://nowhere.example/1")


# --- Cookies ----------------------------------------------------------------------------------------------------


def test_stores_tests_and_deletes_cookies(plain_tab: Tab, user: User, tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(f"# Netscape HTTP Cookie File\n{COOKIES}")
    page = plain_tab.open("/cookies")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Store").click()
    expect(page.get_by_text("1 cookie is stored as site.example.")).to_be_visible()
    page.get_by_text("Test or delete").click()
    page.get_by_label("A page that needs them").fill("https://site.example/watch")
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("The page is being looked at")).to_be_visible()
    probe = Probe.objects.get()
    probe.start("node-1/1/1")
    probe.complete(found())
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_text("It works: A walk")).to_be_visible()
    page.get_by_role("link", name="Back to your cookies").click()
    page.get_by_text("Test or delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The cookies site.example are deleted.")).to_be_visible()
    assert not CookieJar.objects.exists()


def test_says_what_is_wrong_with_cookies(plain_tab: Tab, user: User) -> None:
    cookies.store(user, COOKIES, "mine")
    page = plain_tab.open("/cookies")
    page.get_by_label("Or its text").fill("nonsense")
    page.get_by_role("button", name="Store").click()
    expect(page.locator(".field-errors")).to_be_visible()
    expect(page.get_by_role("heading", name="mine")).to_be_visible()


# --- The library ------------------------------------------------------------------------------------------------


def test_does_the_same_to_several(plain_tab: Tab, user: User) -> None:
    for number in range(2):
        JobFactory(owner=user, title=f"clip {number}")
    JobFactory(owner=user, title="gone", broken=True)
    page = plain_tab.open("/library")
    choose(page, "clip 0", "clip 1")
    page.locator("#selection").get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("2 of 2 done: cancel.")).to_be_visible()
    choose(page, "gone", "clip 1")
    page.locator("#selection").get_by_role("button", name="Try again").click()
    expect(page.get_by_text("2 of 2 done: try again.")).to_be_visible()
    choose(page, "clip 0", "gone")
    page.get_by_label("Tag", exact=True).fill("walks")
    page.get_by_label("Tag", exact=True).press("Enter")
    expect(page.get_by_text("2 of 2 done: tagged “walks”.")).to_be_visible()
    choose(page, "gone")
    page.get_by_label("Tag", exact=True).fill("walks")
    page.get_by_role("button", name="Remove tag").click()
    expect(page.get_by_text("1 of 1 done: not tagged “walks” any more.")).to_be_visible()
    assert set(Job.objects.values_list("title", "status")) == {
        ("clip 0", "cancelled"),
        ("clip 1", "queued"),
        ("gone", "queued"),
    }
    page.locator("#selection").get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Tick the downloads first.")).to_be_visible()


def choose(page: Page, *titles: str) -> None:
    for title in titles:
        page.get_by_label(f"Choose {title}").check()
