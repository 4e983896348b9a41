from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import ApiKey, Scope, User

KEYS = "/accounts/keys/"
NEW = {"name": "phone", "scopes": ["read", "write"], "expires_in_days": "90"}


@pytest.fixture
def key(user: User) -> ApiKey:
    return ApiKey.objects.issue(user, "phone", [Scope.READ])[0]


def at(key: ApiKey, action: str) -> str:
    return reverse(f"accounts:key_{action}", args=[key.pk])


def shown_key(answer: Any) -> str:
    found = re.search(r"mdl_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}", answer.content.decode())
    assert found is not None
    return found.group()


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


# --- Making -----------------------------------------------------------------------------------------------------
def test_a_new_key_is_shown_once_and_works(page: Client, user: User) -> None:
    answer = page.post(KEYS + "new/", NEW)
    assert answer.status_code == 201
    assert "no-store" in answer.headers["Cache-Control"]
    plain = shown_key(answer)
    key = ApiKey.objects.presented(plain, timezone.now())
    assert key is not None
    assert (key.owner, key.name, key.scope_list) == (user, "phone", [Scope.READ, Scope.WRITE])
    assert key.expires_at is not None
    assert timedelta(days=89) < key.expires_at - timezone.now() <= timedelta(days=90)
    assert plain not in page.get(KEYS).content.decode()


def test_a_new_key_is_kept_in_no_session(page: Client) -> None:
    plain = shown_key(page.post(KEYS + "new/", NEW))
    assert plain not in str(dict(page.session.items()))
    assert not [cookie for cookie in page.cookies.values() if plain in cookie.value]


def test_a_key_may_live_for_ever(page: Client) -> None:
    page.post(KEYS + "new/", NEW | {"expires_in_days": "0"})
    assert ApiKey.objects.get().expires_at is None


def test_asking_twice_makes_two_keys(page: Client) -> None:
    assert shown_key(page.post(KEYS + "new/", NEW)) != shown_key(page.post(KEYS + "new/", NEW))


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 101},
        {"name": "nul\0"},
        {"scopes": []},
        {"scopes": ["root"]},
        {"scopes": ["read", "admin"]},
        {"expires_in_days": "31"},
        {"expires_in_days": "x"},
    ],
)
def test_a_wrong_form_makes_no_key_and_is_shown_again(page: Client, change: dict[str, object]) -> None:
    answer = page.post(KEYS + "new/", NEW | change)
    assert answer.status_code == 400
    assert "New key" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_an_operator_may_make_a_key_that_administers(client: Client, operator: User) -> None:
    client.force_login(operator)
    assert client.post(KEYS + "new/", NEW | {"scopes": ["admin"]}).status_code == 201
    assert 'value="admin"' in client.get(KEYS).content.decode()


def test_nobody_else_is_offered_to(page: Client) -> None:
    assert 'value="admin"' not in page.get(KEYS).content.decode()


# --- Listing ----------------------------------------------------------------------------------------------------
def test_the_list_shows_each_key_without_its_secret(page: Client, user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone <b>", [Scope.READ])
    text = page.get(KEYS).content.decode()
    assert "phone &lt;b&gt;" in text
    assert key.prefix in text
    assert plain[13:] not in text
    assert key.digest not in text


def test_the_list_shows_nobody_elses_keys(page: Client, other: User) -> None:
    ApiKey.objects.issue(other, "not yours", [Scope.READ])
    assert "not yours" not in page.get(KEYS).content.decode()


def test_the_list_takes_as_many_queries_for_ten_keys_as_for_one(
    page: Client, user: User, key: ApiKey, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(6) as for_one:
        page.get(KEYS)
    for number in range(9):
        ApiKey.objects.issue(user, f"key {number}", [Scope.READ])[0].revoke()
    with django_assert_max_num_queries(len(for_one.captured_queries)):
        page.get(KEYS)


def test_a_revoked_key_stays_listed_and_offers_nothing(page: Client, key: ApiKey) -> None:
    key.revoke()
    text = page.get(KEYS).content.decode()
    assert "revoked" in text
    assert at(key, "revoke") not in text
    assert at(key, "rotate") not in text


# --- Changing ---------------------------------------------------------------------------------------------------
def test_revoking_is_at_once_and_may_be_repeated(page: Client, key: ApiKey) -> None:
    for _ in range(2):
        answer = page.post(at(key, "revoke"))
        assert answer.headers["Location"] == KEYS
        assert "revoked" in said(answer)
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_rotating_shows_a_new_key_and_lets_the_old_one_go_on(page: Client, user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone", [Scope.READ])
    answer = page.post(at(key, "rotate"), {"overlap_hours": "24"})
    assert answer.status_code == 201
    assert ApiKey.objects.presented(shown_key(answer), timezone.now())
    assert ApiKey.objects.presented(plain, timezone.now())
    assert ApiKey.objects.presented(plain, timezone.now() + timedelta(hours=25)) is None


def test_rotating_twice_makes_one_key(page: Client, key: ApiKey) -> None:
    page.post(at(key, "rotate"), {"overlap_hours": "24"})
    answer = page.post(at(key, "rotate"), {"overlap_hours": "24"})
    assert answer.status_code == 302
    assert "cannot" in said(answer) or "can be rotated" in said(answer)
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize("overlap", ["", "2", "-1", "x"])
def test_rotating_with_another_overlap_does_nothing(page: Client, key: ApiKey, overlap: str) -> None:
    assert page.post(at(key, "rotate"), {"overlap_hours": overlap}).status_code == 302
    assert ApiKey.objects.count() == 1


def test_renaming_a_key(page: Client, key: ApiKey) -> None:
    assert page.post(at(key, "rename"), {"name": "tablet"}).status_code == 302
    key.refresh_from_db()
    assert key.name == "tablet"


def test_renaming_to_nothing_or_a_revoked_key_changes_nothing(page: Client, key: ApiKey) -> None:
    assert "needs a name" in said(page.post(at(key, "rename"), {"name": " "}))
    key.revoke()
    assert "revoked" in said(page.post(at(key, "rename"), {"name": "tablet"}))
    key.refresh_from_db()
    assert key.name == "phone"


# --- Who may ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("action", ["rename", "rotate", "revoke"])
def test_somebody_elses_key_is_not_there(client: Client, other: User, key: ApiKey, action: str) -> None:
    client.force_login(other)
    assert client.post(at(key, action), {"name": "x", "overlap_hours": "0"}).status_code == 404
    key.refresh_from_db()
    assert (key.name, key.revoked_at, key.rotated_at) == ("phone", None, None)


@pytest.mark.parametrize("action", ["rename", "rotate", "revoke"])
def test_a_link_changes_nothing(page: Client, key: ApiKey, action: str) -> None:
    assert page.get(at(key, action)).status_code == 405


def test_a_stranger_is_sent_to_sign_in(client: Client, key: ApiKey) -> None:
    for answer in (
        client.get(KEYS),
        client.post(KEYS + "new/", NEW),
        *(client.post(at(key, action)) for action in ("rename", "rotate", "revoke")),
    ):
        assert answer.headers["Location"].startswith("/accounts/sign-in/")
    assert ApiKey.objects.count() == 1


def test_a_key_is_no_way_into_the_pages(client: Client, user: User) -> None:
    _, plain = ApiKey.objects.issue(user, "phone", [Scope.READ])
    assert client.get(KEYS, headers={"X-API-Key": plain}).status_code == 302


def test_making_a_key_needs_csrf(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.post(KEYS + "new/", NEW).status_code == 403


def test_the_pages_have_no_inline_script_or_style(page: Client, key: ApiKey) -> None:
    for answer in (page.get(KEYS), page.post(KEYS + "new/", NEW), page.get("/accounts/password/")):
        text = answer.content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", text)
