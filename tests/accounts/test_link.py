from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import SignInLink, User
from tests.accounts.racing import race

HOUR = timedelta(hours=1)


def test_a_link_signs_in_once(user: User) -> None:
    token = SignInLink.objects.issue(user, HOUR)
    assert SignInLink.objects.is_open(token, timezone.now())
    assert SignInLink.objects.redeem(token, timezone.now()) == user
    assert SignInLink.objects.redeem(token, timezone.now()) is None
    assert not SignInLink.objects.is_open(token, timezone.now())


def test_a_link_works_until_its_time_is_over(user: User) -> None:
    token = SignInLink.objects.issue(user, HOUR)
    late = timezone.now() + HOUR
    assert not SignInLink.objects.is_open(token, late)
    assert SignInLink.objects.redeem(token, late) is None


def test_an_invented_token_opens_nothing(user: User) -> None:
    SignInLink.objects.issue(user, HOUR)
    for token in ("", "x" * 43, "\ufffd", SignInLink.objects.get().digest):
        assert not SignInLink.objects.is_open(token, timezone.now())
        assert SignInLink.objects.redeem(token, timezone.now()) is None


def test_the_token_is_not_stored(user: User) -> None:
    token = SignInLink.objects.issue(user, HOUR)
    assert not [value for value in SignInLink.objects.values().get().values() if token in str(value)]


def test_using_one_link_closes_the_others_of_the_user(user: User, other: User) -> None:
    first, second = SignInLink.objects.issue(user, HOUR), SignInLink.objects.issue(user, HOUR)
    foreign = SignInLink.objects.issue(other, HOUR)
    SignInLink.objects.redeem(first, timezone.now())
    assert not SignInLink.objects.is_open(second, timezone.now())
    assert SignInLink.objects.is_open(foreign, timezone.now())


def test_a_link_of_an_inactive_user_signs_nobody_in(user: User) -> None:
    token = SignInLink.objects.issue(user, HOUR)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not SignInLink.objects.is_open(token, timezone.now())
    assert SignInLink.objects.redeem(token, timezone.now()) is None


@pytest.mark.django_db
def test_there_is_no_link_for_the_anonymous_user() -> None:
    with pytest.raises(ValueError, match="anonymous"):
        SignInLink.objects.issue(User.objects.anonymous(), HOUR)


def test_purging_removes_only_what_is_past_its_time(user: User) -> None:
    SignInLink.objects.issue(user, HOUR)
    SignInLink.objects.issue(user, 3 * HOUR)
    assert SignInLink.objects.purge(timezone.now() + 2 * HOUR) == 1
    assert SignInLink.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_use_a_link_at_once_one_gets_in(user: User) -> None:
    token = SignInLink.objects.issue(user, HOUR)
    outcomes = race(lambda: SignInLink.objects.redeem(token, timezone.now()), 12)
    assert outcomes.count(user) == 1
    assert outcomes.count(None) == 11
