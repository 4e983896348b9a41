from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import SignInLink, User
from tests.accounts.conftest import PASSWORD

PEOPLE = "/accounts/people/"


@pytest.fixture
def admin_page(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def link_in(answer: Any) -> str:
    found = re.search(r"/accounts/sign-in/link/[\w-]+/", answer.content.decode())
    assert found is not None
    return found.group()


def test_somebody_who_is_invited_comes_in_once_and_chooses_a_password(admin_page: Client) -> None:
    answer = admin_page.post(PEOPLE + "invite/", {"username": "grace", "display_name": "Grace H."})
    assert answer.status_code == 201
    assert "no-store" in answer.headers["Cache-Control"]
    guest = Client()
    assert guest.post(link_in(answer)).headers["Location"] == "/accounts/password/"
    new = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    assert guest.post("/accounts/password/", new).status_code == 302
    grace = User.objects.get(username="grace")
    assert (grace.display_name, grace.is_staff, grace.check_password(PASSWORD)) == ("Grace H.", False, True)
    assert Client().post(link_in(answer)).status_code == 404


def test_an_invitation_is_on_its_answer_alone_and_in_the_record(admin_page: Client, operator: User) -> None:
    address = link_in(admin_page.post(PEOPLE + "invite/", {"username": "grace"}))
    assert address not in admin_page.get(PEOPLE).content.decode()
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr, entry.get_change_message()) == (operator, "grace", "Invited.")


def test_an_operator_is_invited_as_one(admin_page: Client) -> None:
    admin_page.post(PEOPLE + "invite/", {"username": "grace", "is_operator": "on"})
    grace = User.objects.get(username="grace")
    assert (grace.is_staff, grace.is_superuser) == (True, True)
    assert LogEntry.objects.get().get_change_message() == "Invited as an operator."


def test_a_lost_link_is_replaced_by_another(admin_page: Client, user: User) -> None:
    answer = admin_page.post(f"{PEOPLE}{user.pk}/link/")
    assert answer.status_code == 201
    assert Client().post(link_in(answer)).status_code == 302
    assert LogEntry.objects.filter(object_id=str(user.pk)).count() == 1


@pytest.mark.parametrize("name", ["ROOT", "root", "anonymous", "", "a b", "x" * 151, "a/b"])
def test_a_name_that_cannot_be_is_refused_and_nobody_is_made(admin_page: Client, name: str) -> None:
    User.objects.anonymous()
    before = User.objects.count()
    answer = admin_page.post(PEOPLE + "invite/", {"username": name})
    assert answer.status_code == 400
    assert (User.objects.count(), SignInLink.objects.count()) == (before, 0)


def test_an_invitation_gives_no_rights_whatever_the_form_says(admin_page: Client) -> None:
    admin_page.post(PEOPLE + "invite/", {"username": "grace", "is_staff": "on", "is_superuser": "on"})
    assert not User.objects.get(username="grace").is_staff


def test_people_who_cannot_sign_in_are_not_listed_and_get_no_link(admin_page: Client, user: User) -> None:
    anonymous = User.objects.anonymous()
    User.objects.filter(pk=user.pk).update(is_active=False)
    text = admin_page.get(PEOPLE).content.decode()
    assert "root" in text
    assert user.username not in re.findall(r'id="person-[^"]+">([^<]+)<', text)
    for nobody in (anonymous, user):
        assert admin_page.post(f"{PEOPLE}{nobody.pk}/link/").status_code == 404
    assert not SignInLink.objects.exists()


@pytest.mark.parametrize("role", [{}, {"is_staff": True}])
def test_for_others_there_is_no_such_page(client: Client, user: User, role: dict[str, bool]) -> None:
    for name, value in role.items():
        setattr(user, name, value)
    user.save()
    client.force_login(user)
    answers = [
        client.get(PEOPLE),
        client.post(PEOPLE + "invite/", {"username": "grace"}),
        client.post(f"{PEOPLE}{user.pk}/link/"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert not User.objects.filter(username="grace").exists()
    assert not SignInLink.objects.exists()
