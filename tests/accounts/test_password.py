from __future__ import annotations

import pytest
from django.test import Client

from accounts.limits import Policy, decide
from accounts.models import User
from accounts.views import PASSWORDS_PER_MINUTE
from tests.accounts.conftest import PASSWORD

PAGE = "/accounts/password/"
NEW = "a much better password 42"


def change(client: Client, old: str = PASSWORD, new: str = NEW, again: str = NEW) -> int:
    data = {"old_password": old, "new_password1": new, "new_password2": again}
    return client.post(PAGE, data).status_code


def has_password(user: User, password: str) -> bool:
    return User.objects.get(pk=user.pk).check_password(password)


def test_a_new_password_needs_the_old_one(page: Client, user: User) -> None:
    assert change(page, old="wrong") == 400
    assert has_password(user, PASSWORD)
    assert change(page) == 302
    assert has_password(user, NEW)


def test_who_changes_a_password_stays_and_other_sessions_end(page: Client, user: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(user)
    change(page)
    assert page.get(PAGE).status_code == 200
    assert elsewhere.get(PAGE).status_code == 302


def test_a_first_password_needs_no_old_one(client: Client, db: None) -> None:
    newcomer = User.objects.create_user("newcomer")
    client.force_login(newcomer)
    assert "Choose a password" in client.get(PAGE).content.decode()
    assert client.post(PAGE, {"new_password1": NEW, "new_password2": NEW}).status_code == 302
    assert has_password(newcomer, NEW)


@pytest.mark.parametrize(("new", "again"), [("short", "short"), ("password12", "password12"), (NEW, "other"), ("", "")])
def test_a_weak_or_mistyped_password_is_refused(page: Client, user: User, new: str, again: str) -> None:
    assert change(page, new=new, again=again) == 400
    assert has_password(user, PASSWORD)


def test_a_stranger_is_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get(PAGE).headers["Location"].startswith("/accounts/sign-in/")


def test_the_old_password_cannot_be_guessed_at_speed(page: Client, user: User) -> None:
    policy = Policy.of("password", PASSWORDS_PER_MINUTE)
    for _ in range(PASSWORDS_PER_MINUTE):
        decide(policy, [f"user:{user.pk}"])
    assert change(page) == 429
    assert has_password(user, PASSWORD)


def test_the_page_is_not_kept(page: Client) -> None:
    assert "no-store" in page.get(PAGE).headers["Cache-Control"]
