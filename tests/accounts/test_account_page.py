from __future__ import annotations

import json
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from accounts.browsers import name_of
from accounts.models import Session, User

ACCOUNT = "/accounts/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 "
    "Edg/140.0"
)
PASSWORD = "correct horse battery staple"


def browser_of(user: User, user_agent: str = FIREFOX) -> Client:
    """One that has signed in with the password, as people do."""
    client = Client(headers={"User-Agent": user_agent})
    answer = client.post("/accounts/sign-in/", {"username": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def is_signed_in(client: Client) -> bool:
    return client.get(ACCOUNT).status_code == 200


def session_of(client: Client) -> Session:
    return Session.objects.get(pk=client.session.session_key)


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


# --- Sessions ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox, Linux"),
        (IPHONE, "Safari, iPhone"),
        (EDGE, "Edge, Windows"),
        ("curl/8.5.0", ""),
        ("", ""),
        ("Chrome/1", "Chrome"),
    ],
)
def test_a_browser_has_the_name_that_people_know(user_agent: str, name: str) -> None:
    assert name_of(user_agent) == name


def test_the_page_lists_where_one_is_signed_in(user: User) -> None:
    here, _ = browser_of(user), browser_of(user, IPHONE)
    text = here.get(ACCOUNT).content.decode()
    assert "Firefox, Linux" in text
    assert "Safari, iPhone" in text
    assert text.count("This one") == 1


def test_the_page_shows_neither_session_keys_nor_others_sessions(user: User, other: User) -> None:
    here, there, foreign = browser_of(user), browser_of(user, IPHONE), browser_of(other, EDGE)
    text = here.get(ACCOUNT).content.decode()
    assert "Edge" not in text
    for client in (here, there, foreign):
        assert str(client.session.session_key) not in text


def test_a_lost_phone_is_signed_out(user: User) -> None:
    here, phone = browser_of(user), browser_of(user, IPHONE)
    answer = here.post(f"{ACCOUNT}sessions/{session_of(phone).handle}/end/")
    assert "signed out" in said(answer)
    assert not is_signed_in(phone)
    assert is_signed_in(here)


def test_everywhere_else_is_everywhere_but_here(user: User, other: User) -> None:
    here, phone, foreign = browser_of(user), browser_of(user, IPHONE), browser_of(other)
    here.post(f"{ACCOUNT}sessions/end-others/")
    assert [is_signed_in(client) for client in (here, phone, foreign)] == [True, False, True]


def test_the_session_of_somebody_else_is_not_there(user: User, other: User) -> None:
    here, foreign = browser_of(user), browser_of(other)
    assert here.post(f"{ACCOUNT}sessions/{session_of(foreign).handle}/end/").status_code == 404
    assert is_signed_in(foreign)


@pytest.mark.parametrize("handle", ["x", "0" * 32, "%00", "a" * 500])
def test_a_session_that_never_was_is_not_there(user: User, handle: str) -> None:
    assert browser_of(user).post(f"{ACCOUNT}sessions/{handle}/end/").status_code == 404


def test_a_new_password_leaves_no_other_session_behind(user: User) -> None:
    here, phone = browser_of(user), browser_of(user, IPHONE)
    new = {"old_password": PASSWORD, "new_password1": "another long sentence", "new_password2": "another long sentence"}
    assert here.post("/accounts/password/", new).status_code == 302
    assert is_signed_in(here)
    assert not is_signed_in(phone)
    assert Session.objects.of_user(user).count() == 1


def test_a_session_is_as_old_as_its_sign_in_however_often_it_changes(user: User) -> None:
    client = browser_of(user)
    signed_in_at = session_of(client).signed_in_at
    session = client.session
    session["theme"] = "dark"
    session.save()
    assert session_of(client).signed_in_at == signed_in_at
    assert session_of(client).browser == "Firefox, Linux"


def test_a_page_notes_that_its_browser_was_seen_but_not_each_time(user: User) -> None:
    client = browser_of(user)
    long_ago, just_now = timezone.now() - timedelta(hours=2), timezone.now() - timedelta(minutes=2)
    Session.objects.of_user(user).update(last_seen_at=long_ago)
    client.get(ACCOUNT)
    assert session_of(client).last_seen_at > just_now
    Session.objects.of_user(user).update(last_seen_at=just_now)
    client.get(ACCOUNT)
    assert session_of(client).last_seen_at == just_now


def test_sessions_that_have_run_out_are_not_listed_and_go(user: User) -> None:
    here, phone = browser_of(user), browser_of(user, IPHONE)
    Session.objects.filter(pk=phone.session.session_key).update(expire_date=timezone.now() - timedelta(minutes=1))
    assert "iPhone" not in here.get(ACCOUNT).content.decode()
    import_module(django_settings.SESSION_ENGINE).SessionStore.clear_expired()
    assert Session.objects.of_user(user).count() == 1


# --- Who one is -------------------------------------------------------------------------------------------------
def test_a_name_is_changed_and_shown(page: Client, user: User) -> None:
    assert page.post(ACCOUNT, {"display_name": "Ada L.", "email": "ada@example.org"}).status_code == 302
    user.refresh_from_db()
    assert (user.display_name, user.email) == ("Ada L.", "ada@example.org")
    assert "Ada L." in page.get(ACCOUNT).content.decode()


def test_a_form_changes_nothing_but_what_it_shows(page: Client, user: User) -> None:
    page.post(ACCOUNT, {"display_name": "x", "email": "", "is_staff": "on", "username": "root", "max_queued_jobs": "9"})
    user.refresh_from_db()
    assert (user.username, user.is_staff, user.max_queued_jobs) == ("ada", False, None)


@pytest.mark.parametrize("wrong", [{"email": "no address"}, {"display_name": "x" * 151}, {"display_name": "a\0b"}])
def test_what_cannot_be_is_refused_and_changes_nothing(page: Client, user: User, wrong: dict[str, str]) -> None:
    answer = page.post(ACCOUNT, {"display_name": "Ada", "email": ""} | wrong)
    assert answer.status_code == 400
    user.refresh_from_db()
    assert (user.display_name, user.email) == ("", "")


# --- A copy, and the end ----------------------------------------------------------------------------------------
def test_a_copy_of_everything_is_a_file(page: Client) -> None:
    answer: Any = page.post(ACCOUNT + "export/")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="mediadl-2')
    assert json.loads(b"".join(answer.streaming_content))["account"]["username"] == "ada"
    assert page.get(ACCOUNT + "export/").status_code == 405


def test_an_account_is_closed_by_its_name_and_password(user: User) -> None:
    here, phone = browser_of(user), browser_of(user, IPHONE)
    answer = here.post(ACCOUNT + "close/", {"username": "ada", "password": PASSWORD})
    assert answer.headers["Location"] == "/accounts/sign-in/"
    assert not User.objects.filter(username="ada").exists()
    assert not is_signed_in(here)
    assert not is_signed_in(phone)


@pytest.mark.parametrize(
    "given",
    [{}, {"username": "ada"}, {"username": "ada", "password": "wrong"}, {"username": "eve", "password": PASSWORD}],
)
def test_anything_else_closes_nothing(user: User, given: dict[str, str]) -> None:
    here = browser_of(user)
    assert here.post(ACCOUNT + "close/", given).status_code == 400
    assert User.objects.get(username="ada").is_active
    assert is_signed_in(here)


def test_who_never_had_a_password_needs_none_to_go(client: Client, user: User) -> None:
    user.set_unusable_password()
    user.save()
    client.force_login(user)
    assert "Password" not in client.get(ACCOUNT + "close/").content.decode()
    assert client.post(ACCOUNT + "close/", {"username": "ada"}).status_code == 302
    assert not User.objects.filter(username="ada").exists()


def test_an_operator_is_told_what_stands_in_the_way(operator: User) -> None:
    here = browser_of(operator)
    assert "role away first" in here.get(ACCOUNT + "close/").content.decode()
    here.post(ACCOUNT + "close/", {"username": "root", "password": PASSWORD})
    assert User.objects.get(username="root").is_active


@pytest.mark.parametrize("path", ["", "sessions/x/end/", "sessions/end-others/", "export/", "close/", "people/invite/"])
def test_nobody_else_gets_in(client: Client, path: str) -> None:
    answer = client.post(ACCOUNT + path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/sign-in/")
