from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.first_start import ensure_first_operator, register_environment_key
from accounts.models import ApiKey, Scope, SignInLink, User
from tests.accounts.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def public_address(settings: Settings) -> None:
    settings.PUBLIC_BASE_URL = "https://media.example"


def follow(address: str) -> Client:
    client = Client()
    client.post(address.removeprefix("https://media.example"))
    return client


def test_the_first_start_makes_an_operator_with_a_link_and_no_password() -> None:
    address = ensure_first_operator()
    assert address is not None
    assert address.startswith("https://media.example/accounts/sign-in/link/")
    operator = User.objects.get()
    assert (operator.username, operator.is_staff, operator.is_superuser) == ("operator", True, True)
    assert not operator.has_usable_password()


def test_the_link_signs_the_operator_in() -> None:
    address = ensure_first_operator()
    assert address is not None
    assert follow(address).session["_auth_user_id"] == str(User.objects.get().pk)


def test_until_somebody_came_in_every_start_prints_another_link_and_each_works() -> None:
    first, second = ensure_first_operator(), ensure_first_operator()
    assert first is not None
    assert second is not None
    assert first != second
    assert User.objects.count() == 1
    assert "_auth_user_id" in follow(first).session
    assert "_auth_user_id" not in follow(second).session


def test_no_link_is_printed_once_the_operator_has_come_in() -> None:
    address = ensure_first_operator()
    assert address is not None
    follow(address)
    assert ensure_first_operator() is None


def test_no_link_is_printed_where_an_operator_has_a_password(operator: User) -> None:
    assert ensure_first_operator() is None
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_nodes_that_start_at_once_make_one_operator() -> None:
    outcomes = race(ensure_first_operator, 6)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert User.objects.count() == 1


def test_a_link_lives_as_long_as_the_setting_says(settings: Settings) -> None:
    settings.SIGN_IN_LINK_HOURS = 2
    ensure_first_operator()
    link = SignInLink.objects.get()
    assert abs(link.expires_at - timezone.now() - timedelta(hours=2)) < timedelta(minutes=1)


def test_the_environments_key_belongs_to_the_first_operator(settings: Settings) -> None:
    settings.API_KEY = "chosen-by-the-operator"
    key = register_environment_key()
    assert key is not None
    assert key.owner.username == "operator"
    assert key.scope_set == set(Scope)
    assert register_environment_key() == key


def test_taking_the_key_out_of_the_environment_ends_it(settings: Settings) -> None:
    settings.API_KEY = "chosen-by-the-operator"
    register_environment_key()
    settings.API_KEY = ""
    assert register_environment_key() is None
    assert ApiKey.objects.presented("chosen-by-the-operator", timezone.now()) is None


def test_a_weak_key_in_the_environment_is_refused(settings: Settings) -> None:
    settings.API_KEY = "password"
    with pytest.raises(ValueError, match="16 to 256"):
        register_environment_key()


def printed(*arguments: str) -> str:
    output = StringIO()
    call_command("signinlink", *arguments, stdout=output)
    return output.getvalue().strip()


def test_the_command_prints_a_link_for_the_operator(operator: User) -> None:
    assert "_auth_user_id" in follow(printed()).session


def test_the_command_prints_a_link_for_anybody_by_name(user: User, operator: User) -> None:
    assert follow(printed("--user", "ada")).session["_auth_user_id"] == str(user.pk)


@pytest.mark.parametrize("name", ["nobody", "anonymous", "gone"])
def test_the_command_has_no_link_for_who_cannot_sign_in(name: str) -> None:
    User.objects.anonymous()
    User.objects.create_user("gone", is_active=False)
    with pytest.raises(CommandError, match=name):
        printed("--user", name)
