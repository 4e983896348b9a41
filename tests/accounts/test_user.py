from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import RequestFactory

from accounts.models import User
from tests.accounts.racing import race

pytestmark = pytest.mark.django_db


def test_has_an_id_that_sorts_by_age(user: User, other: User) -> None:
    assert user.pk.version == 7
    assert str(user.pk) < str(other.pk)


def test_two_names_that_differ_in_case_are_one(user: User) -> None:
    with pytest.raises(IntegrityError):
        User.objects.create_user("ADA")


def test_says_that_a_name_is_taken_in_another_case(user: User) -> None:
    with pytest.raises(ValidationError, match="exists already"):
        User(username="Ada", password="!").full_clean()


def test_the_anonymous_principal_is_made_once() -> None:
    first = User.objects.anonymous()
    assert first == User.objects.anonymous()
    assert first.is_anonymous_principal
    assert not first.is_staff
    assert not first.has_usable_password()


@pytest.mark.django_db(transaction=True)
def test_many_who_ask_for_the_anonymous_principal_at_once_get_the_same() -> None:
    found = race(User.objects.anonymous, 8)
    assert {user.pk for user in found if isinstance(user, User)} == {User.objects.get().pk}
    assert len(found) == 8


@pytest.mark.parametrize("change", [{"is_staff": True}, {"is_superuser": True}, {"password": "md5$x$y"}])
def test_the_anonymous_principal_can_be_given_no_rights_and_no_password(change: dict[str, object]) -> None:
    anonymous = User.objects.anonymous()
    with pytest.raises(IntegrityError):
        User.objects.filter(pk=anonymous.pk).update(**change)


def test_nobody_signs_in_as_the_anonymous_principal(rf: RequestFactory) -> None:
    User.objects.anonymous()
    assert authenticate(rf.post("/"), username="anonymous", password="!") is None
    assert not User.objects.able_to_sign_in().exists()


def test_only_active_superusers_count_as_operators(user: User, operator: User) -> None:
    gone = User.objects.create_superuser("gone", is_active=False)
    assert list(User.objects.operators()) == [operator]
    assert gone not in User.objects.able_to_sign_in()


def test_who_has_neither_been_here_nor_a_password_is_not_settled(user: User) -> None:
    User.objects.create_user("new")
    assert list(User.objects.get_queryset().settled()) == [user]


def test_shows_the_display_name_where_there_is_one(user: User) -> None:
    assert user.get_full_name() == "ada"
    user.display_name = "Ada Lovelace"
    assert user.get_short_name() == "Ada Lovelace"
    assert str(user) == "ada"
