from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiKey, KeyUnusableError, Scope, User
from accounts.models.key import written
from tests.accounts.racing import race

pytestmark = pytest.mark.promise("S7")

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def key(user: User) -> ApiKey:
    return ApiKey.objects.issue(user, "phone", ["read"])[0]


# --- Issuing ----------------------------------------------------------------------------------------------------
def test_an_issued_key_is_found_by_its_plain_text(user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone", ["write", "read"])
    found = ApiKey.objects.presented(plain, timezone.now())
    assert found == key
    assert found.name == "phone"
    assert found.scope_list == [Scope.READ, Scope.WRITE]
    assert found.prefix == plain[4:12]


def test_nothing_that_is_stored_of_a_key_can_be_used_as_one(user: User) -> None:
    _, plain = ApiKey.objects.issue(user, "phone", ["read"])
    row = ApiKey.objects.values().get()
    secret = plain.removeprefix("mdl_")[9:]
    assert not [value for value in row.values() if secret in str(value) or plain in str(value)]
    for value in row.values():
        assert ApiKey.objects.presented(str(value), timezone.now()) is None


@pytest.mark.parametrize("scopes", [[], ["read", "root"]])
def test_a_key_cannot_be_issued_without_known_scopes(user: User, scopes: list[str]) -> None:
    with pytest.raises((ValueError, IntegrityError)):
        ApiKey.objects.issue(user, "phone", scopes)


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": ""},
        {"scopes": "write,read"},
        {"scopes": "root"},
        {"name": ""},
        {"digest": "mdl_a-plain-key"},
        {"expires_at": datetime(2000, 1, 1, tzinfo=UTC)},
    ],
)
def test_the_database_refuses_a_row_that_makes_no_sense(key: ApiKey, change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        ApiKey.objects.filter(pk=key.pk).update(**change)


def test_scopes_are_written_in_one_order() -> None:
    assert written(["admin", "read", "read"]) == "read,admin"


# --- Usable or not ----------------------------------------------------------------------------------------------
def test_a_key_works_until_it_expires(user: User) -> None:
    _, plain = ApiKey.objects.issue(user, "phone", ["read"], timezone.now() + timedelta(hours=1))
    now = timezone.now()
    assert ApiKey.objects.presented(plain, now + timedelta(minutes=59))
    assert ApiKey.objects.presented(plain, now + timedelta(minutes=61)) is None


def test_a_revoked_key_is_refused_at_once_and_for_good(user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone", ["read"])
    assert key.revoke() is True
    assert ApiKey.objects.presented(plain, timezone.now()) is None
    assert key.state(timezone.now()) == "revoked"


def test_revoking_twice_changes_nothing(key: ApiKey) -> None:
    key.revoke(at=NOON)
    assert key.revoke() is False
    assert key.revoked_at == NOON


def test_the_keys_of_an_inactive_owner_are_refused(user: User) -> None:
    _, plain = ApiKey.objects.issue(user, "phone", ["read"])
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert ApiKey.objects.presented(plain, timezone.now()) is None


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize("revoked_at", [None, NOON])
@pytest.mark.parametrize("expires_at", [None, NOON - timedelta(seconds=1), NOON, NOON + timedelta(seconds=1)])
def test_the_query_and_the_row_agree_on_what_is_usable(
    key: ApiKey, is_active: bool, revoked_at: datetime | None, expires_at: datetime | None
) -> None:
    long_ago = NOON - timedelta(days=1)
    User.objects.filter(pk=key.owner.pk).update(is_active=is_active)
    ApiKey.objects.filter(pk=key.pk).update(created_at=long_ago, revoked_at=revoked_at, expires_at=expires_at)
    row = ApiKey.objects.get(pk=key.pk)
    assert ApiKey.objects.usable(NOON).exists() is row.is_usable(NOON)


def test_looking_a_key_up_takes_one_query_and_its_owner_none(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _, plain = ApiKey.objects.issue(user, "phone", ["read"])
    with django_assert_num_queries(1):
        found = ApiKey.objects.presented(plain, timezone.now())
        assert found is not None
        assert found.owner.username == "ada"


def test_a_mistyped_key_takes_no_query(user: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    _, plain = ApiKey.objects.issue(user, "phone", ["read"])
    with django_assert_num_queries(0):
        assert ApiKey.objects.presented(plain[:12] + plain[12:].swapcase(), timezone.now()) is None


def test_an_owner_has_only_their_own_keys(key: ApiKey, other: User) -> None:
    assert not ApiKey.objects.owned_by(other).exists()
    assert list(ApiKey.objects.owned_by(key.owner)) == [key]


# --- Last use ---------------------------------------------------------------------------------------------------
def test_remembers_a_use_at_most_once_a_minute(key: ApiKey, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    key.touch(NOON)
    key.touch(NOON + timedelta(seconds=30))  # from a row that was read before
    key.refresh_from_db()
    assert key.last_used_at == NOON
    with django_assert_num_queries(0):
        key.touch(NOON + timedelta(seconds=59))
    key.touch(NOON + timedelta(seconds=60))
    key.refresh_from_db()
    assert key.last_used_at == NOON + timedelta(seconds=60)


# --- Renaming and rotating --------------------------------------------------------------------------------------
def test_a_key_can_be_renamed_until_it_is_revoked(key: ApiKey) -> None:
    key.rename("tablet")
    key.refresh_from_db()
    assert key.name == "tablet"
    key.revoke()
    with pytest.raises(KeyUnusableError):
        key.rename("phone")


def test_rotating_gives_a_new_key_of_the_same_kind_and_ends_the_old_one(user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone", ["read", "write"], timezone.now() + timedelta(days=90))
    now = timezone.now()
    replacement, new_plain = key.rotate(timedelta(hours=1), at=now)
    assert new_plain != plain
    assert (replacement.name, replacement.scopes, replacement.owner) == ("phone", "read,write", user)
    assert replacement.expires_at is not None
    assert abs(replacement.expires_at - now - timedelta(days=90)) < timedelta(seconds=5)
    assert ApiKey.objects.presented(plain, now + timedelta(minutes=59))
    assert ApiKey.objects.presented(plain, now + timedelta(minutes=61)) is None
    assert ApiKey.objects.presented(new_plain, now + timedelta(minutes=61)) == replacement


def test_rotating_without_overlap_ends_the_old_key_now(user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone", ["read"])
    replacement, _ = key.rotate()
    assert ApiKey.objects.presented(plain, timezone.now()) is None
    assert replacement.expires_at is None


def test_an_overlap_never_makes_a_key_live_longer(user: User) -> None:
    expiry = timezone.now() + timedelta(minutes=5)
    key, _ = ApiKey.objects.issue(user, "phone", ["read"], expiry)
    key.rotate(timedelta(days=1))
    key.refresh_from_db()
    assert key.expires_at == expiry


def test_a_key_that_is_revoked_or_rotated_cannot_be_rotated(key: ApiKey) -> None:
    key.rotate(timedelta(days=1))
    with pytest.raises(KeyUnusableError):
        key.rotate()
    revoked, _ = ApiKey.objects.issue(key.owner, "old", ["read"])
    revoked.revoke()
    with pytest.raises(KeyUnusableError):
        revoked.rotate()


@pytest.mark.django_db(transaction=True)
def test_of_many_rotations_at_once_one_succeeds(user: User) -> None:
    key, _ = ApiKey.objects.issue(user, "phone", ["read"])
    outcomes = race(lambda: ApiKey.objects.get(pk=key.pk).rotate(timedelta(hours=1)), 8)
    assert len([outcome for outcome in outcomes if isinstance(outcome, KeyUnusableError)]) == 7
    assert ApiKey.objects.count() == 2


# --- The environment's key --------------------------------------------------------------------------------------
PLAIN = "chosen-by-the-operator"
MISTYPED = "mdl_Prefix00_" + "0" * 49  # in our shape, with a checksum that is not its own


def test_the_environments_key_works_and_shows_nothing_of_itself(operator: User) -> None:
    key = ApiKey.objects.register_plain(PLAIN, operator)
    assert ApiKey.objects.presented(PLAIN, timezone.now()) == key
    assert key.prefix == ""
    assert key.scope_set == set(Scope)
    assert PLAIN not in str(key)


def test_registering_the_same_key_again_changes_nothing(operator: User) -> None:
    assert ApiKey.objects.register_plain(PLAIN, operator) == ApiKey.objects.register_plain(PLAIN, operator)
    assert ApiKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_nodes_that_register_the_same_key_at_once_make_one(operator: User) -> None:
    outcomes = race(lambda: ApiKey.objects.register_plain(PLAIN, operator), 6)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert ApiKey.objects.count() == 1


def test_another_key_in_the_environment_ends_the_one_before(operator: User) -> None:
    ApiKey.objects.register_plain(PLAIN, operator)
    ApiKey.objects.register_plain("another-of-the-operator", operator)
    assert ApiKey.objects.presented(PLAIN, timezone.now()) is None
    assert ApiKey.objects.presented("another-of-the-operator", timezone.now())


def test_going_back_to_an_earlier_environment_brings_its_key_back(operator: User) -> None:
    for plain in (PLAIN, "another-of-the-operator", PLAIN):
        ApiKey.objects.register_plain(plain, operator)
    assert ApiKey.objects.presented(PLAIN, timezone.now())
    assert ApiKey.objects.presented("another-of-the-operator", timezone.now()) is None


def test_a_key_that_somebody_revoked_does_not_come_back_with_the_next_start(operator: User) -> None:
    ApiKey.objects.register_plain(PLAIN, operator).revoke()
    ApiKey.objects.register_plain(PLAIN, operator)
    assert ApiKey.objects.presented(PLAIN, timezone.now()) is None


def test_registering_leaves_other_keys_alone(operator: User) -> None:
    _, issued = ApiKey.objects.issue(operator, "phone", ["read"])
    ApiKey.objects.register_plain(PLAIN, operator)
    ApiKey.objects.register_plain(issued, operator)
    assert ApiKey.objects.presented(issued, timezone.now())
    assert ApiKey.objects.presented(PLAIN, timezone.now()) is None


@pytest.mark.parametrize("plain", ["too-short", "", "with a space in it all", MISTYPED])
def test_a_weak_or_impossible_key_is_refused(operator: User, plain: str) -> None:
    with pytest.raises(ValueError, match="16 to 256"):
        ApiKey.objects.register_plain(plain, operator)


def test_the_environments_key_cannot_be_rotated(operator: User) -> None:
    with pytest.raises(KeyUnusableError):
        ApiKey.objects.register_plain(PLAIN, operator).rotate()
