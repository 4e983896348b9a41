from __future__ import annotations

from urllib.parse import unquote

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import ApiKey, DayUsage, RateBucket, Scope, SignInLink, User
from tests.factories import JobFactory, MediaFileFactory

pytestmark = pytest.mark.promise("S14")

USERS, KEYS, ATTEMPTS = "/admin/accounts/user/", "/admin/accounts/apikey/", "/admin/axes/accessattempt/"


@pytest.fixture
def site(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def key(user: User) -> ApiKey:
    return ApiKey.objects.issue(user, "phone", [Scope.READ])[0]


def act(site: Client, page: str, action: str, *ids: object) -> int:
    return site.post(page, {"action": action, "_selected_action": [str(one) for one in ids]}).status_code


# --- Getting in -------------------------------------------------------------------------------------------------
def test_a_stranger_signs_in_on_our_own_page_and_comes_back(client: Client, operator: User) -> None:
    answer = client.get(USERS, follow=True)
    assert unquote(answer.redirect_chain[-1][0]) == "/accounts/sign-in/?next=/admin/accounts/user/"


def test_who_is_no_operator_is_refused_and_not_sent_in_circles(page: Client) -> None:
    assert page.get("/admin/", follow=True).status_code == 403


# --- Users ------------------------------------------------------------------------------------------------------
def test_users_are_listed_shown_and_changed(site: Client, user: User) -> None:
    assert "ada" in site.get(USERS).content.decode()
    address = f"{USERS}{user.pk}/change/"
    shown = site.get(address).content.decode()
    assert user.password not in shown
    assert "md5" not in shown
    answer = site.post(address, {"username": "ada", "is_active": "on", "max_concurrent_jobs": "3"})
    assert answer.status_code == 302
    user.refresh_from_db()
    assert user.max_concurrent_jobs == 3
    assert user.check_password("correct horse battery staple")
    assert LogEntry.objects.filter(object_id=str(user.pk)).exists()


def test_a_user_is_added_without_a_password(site: Client) -> None:
    answer = site.post(f"{USERS}add/", {"username": "new", "usable_password": "false"})
    assert answer.status_code == 302
    assert not User.objects.get(username="new").has_usable_password()


def test_a_taken_name_in_another_case_is_refused(site: Client, user: User) -> None:
    data = {"username": "ADA", "usable_password": "false"}
    assert "exists already" in site.post(f"{USERS}add/", data).content.decode()


def test_a_users_password_can_be_set(site: Client, user: User) -> None:
    data = {"password1": "another good one 9", "password2": "another good one 9", "usable_password": "true"}
    assert site.post(f"{USERS}{user.pk}/password/", data).status_code == 302
    user.refresh_from_db()
    assert user.check_password("another good one 9")


def test_links_to_sign_in_are_made_shown_and_logged(site: Client, user: User, settings: Settings) -> None:
    settings.PUBLIC_BASE_URL = "https://media.example"
    anonymous = User.objects.anonymous()
    answer = site.post(USERS, {"action": "make_sign_in_links", "_selected_action": [user.pk, anonymous.pk]})
    assert "https://media.example/accounts/sign-in/link/" in answer.content.decode()
    assert SignInLink.objects.get().user == user
    assert "no-store" in answer.headers["Cache-Control"]
    assert LogEntry.objects.get().object_id == str(user.pk)
    assert "media.example" not in LogEntry.objects.get().change_message


def test_the_anonymous_principal_is_given_quotas_and_nothing_else(site: Client) -> None:
    anonymous = User.objects.anonymous()
    address = f"{USERS}{anonymous.pk}/"
    data = {"username": "root2", "is_active": "", "is_staff": "on", "max_concurrent_jobs": "1"}
    assert site.post(f"{address}change/", data).status_code == 302
    anonymous.refresh_from_db()
    assert (anonymous.username, anonymous.is_staff, anonymous.is_active) == ("anonymous", False, True)
    assert anonymous.max_concurrent_jobs == 1
    passwords = {"password1": "another good one 9", "password2": "another good one 9"}
    assert site.post(f"{address}password/", passwords).status_code == 403
    assert site.post(f"{address}delete/", {"post": "yes"}).status_code == 403


def test_an_operator_who_is_no_superuser_cannot_become_one(client: Client, user: User) -> None:
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    user.user_permissions.set(Permission.objects.all())
    client.force_login(user)
    assert client.get(USERS).status_code == 403
    assert client.post(f"{USERS}{user.pk}/change/", {"username": "ada", "is_superuser": "on"}).status_code == 403
    assert act(client, USERS, "make_sign_in_links", user.pk) == 403


def test_what_users_have_used_is_beside_their_limits(site: Client, user: User, settings: Settings) -> None:
    settings.MAX_QUEUED_PER_OWNER, settings.MAX_JOBS_PER_DAY = 7, 0
    User.objects.filter(pk=user.pk).update(max_bytes_per_day=5_000_000, max_stored_bytes=1000)
    JobFactory(owner=user, running=True)
    JobFactory.create_batch(2, owner=user)
    MediaFileFactory(job=JobFactory(owner=user, finished=True), size_bytes=300)
    DayUsage.objects.take_jobs(user.pk, 4)
    DayUsage.objects.add_bytes(user.pk, 1_500_000)
    for address in (USERS, f"{USERS}{user.pk}/change/"):
        shown = site.get(address).content.decode()
        assert all(text in shown for text in ("2 of 7", "1.5 MB of 5.0 MB"))
    assert "300 B of 1.0 kB" in shown


# --- Keys -------------------------------------------------------------------------------------------------------
def test_keys_are_shown_without_their_digests(site: Client, key: ApiKey) -> None:
    for address in (KEYS, f"{KEYS}{key.pk}/change/"):
        text = site.get(address).content.decode()
        assert "phone" in text
        assert key.digest not in text


def test_keys_can_be_neither_added_changed_nor_deleted(site: Client, key: ApiKey) -> None:
    assert site.get(f"{KEYS}add/").status_code == 403
    assert site.post(f"{KEYS}{key.pk}/change/", {"name": "x", "scopes": "admin"}).status_code == 403
    assert site.post(f"{KEYS}{key.pk}/delete/", {"post": "yes"}).status_code == 403
    key.refresh_from_db()
    assert (key.name, key.scopes) == ("phone", "read")


def test_revoking_keys_is_logged_once_for_each(site: Client, key: ApiKey) -> None:
    for _ in range(2):
        assert act(site, KEYS, "revoke", key.pk) == 302
    key.refresh_from_db()
    assert key.revoked_at is not None
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(key.pk), "Revoked.")


def test_who_may_only_look_at_keys_revokes_none(client: Client, user: User, key: ApiKey) -> None:
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    user.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    client.force_login(user)
    assert client.get(KEYS).status_code == 200
    act(client, KEYS, "revoke", key.pk)
    key.refresh_from_db()
    assert key.revoked_at is None


@pytest.mark.parametrize("page", [USERS, KEYS])
def test_a_list_takes_as_many_queries_for_ten_rows_as_for_one(
    site: Client, page: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def add(number: int) -> None:
        ApiKey.objects.issue(User.objects.create_user(f"user{number}"), f"key {number}", [Scope.READ])

    add(0)
    with django_assert_max_num_queries(12) as first:
        site.get(page)
    for number in range(1, 10):
        add(number)
    with django_assert_max_num_queries(len(first.captured_queries)):
        site.get(page)


# --- The rest ---------------------------------------------------------------------------------------------------
def test_failed_sign_ins_are_shown_and_can_be_forgiven(site: Client, user: User) -> None:
    Client().post("/accounts/sign-in/", {"username": "ada", "password": "wrong-secret"})
    attempt = AccessAttempt.objects.get()
    shown = site.get(f"{ATTEMPTS}{attempt.pk}/change/").content.decode()
    assert "ada" in shown
    assert "wrong-secret" not in shown
    assert site.post(f"{ATTEMPTS}{attempt.pk}/change/", {"username": "x"}).status_code == 403
    assert site.get(f"{ATTEMPTS}add/").status_code == 403
    assert site.post(f"{ATTEMPTS}{attempt.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not AccessAttempt.objects.exists()


def test_what_is_nobodys_business_is_not_registered() -> None:
    assert not admin.site.is_registered(SignInLink)
    assert not admin.site.is_registered(RateBucket)
