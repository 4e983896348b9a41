"""Accounts that an operator closes in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, Scope, User
from downloads import closing
from downloads.models import Job
from tests.factories import JobFactory, MediaFileFactory

pytestmark = pytest.mark.django_db(transaction=True)
USERS = "/admin/accounts/user/"


@pytest.fixture
def site(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def close(site: Client, *users: User, **form: Any) -> Any:
    chosen = {"action": "close_accounts", "_selected_action": [str(user.pk) for user in users]}
    return site.post(USERS, chosen | form, follow=True)


def test_is_asked_once_more(site: Client, user: User) -> None:
    asked = close(site, user)
    assert "ada" in asked.text
    assert 'name="is_sure"' in asked.text
    user.refresh_from_db()
    assert user.closed_at is None
    assert not LogEntry.objects.exists()


def test_closes_an_account_that_has_something_of_everything(site: Client, operator: User, user: User) -> None:
    MediaFileFactory(job=JobFactory(owner=user, finished=True))
    JobFactory(owner=user, running=True)
    key, _ = ApiKey.objects.issue(user, "phone", [Scope.READ])
    answer = close(site, user, is_sure="Close them")
    assert "Closed: 1." in answer.text
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert not User.objects.able_to_sign_in().filter(pk=user.pk).exists()
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.change_message) == (operator, str(user.pk), "Closed.")
    assert entry.object_repr == "ada"

    closing.advance_all()
    assert not User.objects.filter(pk=user.pk).exists()
    assert not Job.objects.exists()


def test_what_cannot_be_closed_says_why_and_stays(site: Client, operator: User, user: User, other: User) -> None:
    LogEntry.objects.log_actions(other.pk, [user], CHANGE, change_message="Evicted.", single_object=True)
    anonymous = User.objects.anonymous()
    asked = close(site, operator, other, anonymous).text
    for said in ("An operator&#x27;s account", "stays on record", "without a key", "None of these accounts"):
        assert said in asked, said
    assert 'name="is_sure"' not in asked
    answer = close(site, operator, user, other, anonymous, is_sure="Close them").text
    assert "Closed: 1." in answer
    assert "Refused, because of their state: 3." in answer
    assert set(User.objects.closed()) == {user}
    assert User.objects.able_to_sign_in().filter(pk=operator.pk).exists()


def test_a_users_page_leads_there(site: Client, user: User) -> None:
    address = f"{USERS}{user.pk}/change/"
    assert "Close the account" in site.get(address).text
    user.close()
    shown = site.get(address).text
    assert "Close the account" not in shown
    assert f"{timezone.now():%Y}" in shown


def test_users_cannot_be_deleted_past_that(site: Client, user: User) -> None:
    assert "delete_selected" not in site.get(USERS).text
    assert f"{user.pk}/delete/" not in site.get(f"{USERS}{user.pk}/change/").text
    assert site.post(f"{USERS}{user.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


def test_whoever_is_no_superuser_closes_nobody(client: Client, user: User, other: User) -> None:
    other.is_staff = True
    other.save(update_fields=["is_staff"])
    other.user_permissions.set(Permission.objects.all())
    client.force_login(other)
    assert close(client, user, is_sure="Close them").status_code == 403
    user.refresh_from_db()
    assert user.closed_at is None
