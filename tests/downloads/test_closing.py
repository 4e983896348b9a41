"""Accounts that end, and what is copied out of them before."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.utils import timezone

from accounts.models import ApiKey, CannotCloseError, Scope, Session, SignInLink, User
from downloads import audit, closing, cookies, export, sweeping
from downloads.models import Batch, BatchStatus, Job, LastChoices, Link, MediaFile, Preset, Status
from tests.factories import BatchFactory, JobFactory, UserFactory
from webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db(transaction=True)

Stored = Callable[..., MediaFile]
MARK = "zq8secret"


def account(stored: Stored, **fields: Any) -> User:
    """Of somebody who has something of everything."""
    user = UserFactory(**fields)
    file = stored(JobFactory(owner=user, finished=True, title="A film"))
    JobFactory(owner=user, broken=True)
    Link.objects.issue(file, user, timezone.now(), label="for a friend")
    ApiKey.objects.issue(user, "phone", Scope)
    cookies.store(user, f"site.example\tFALSE\t/\tTRUE\t0\tsession\t{MARK}\n", "site")
    Endpoint.objects.add(user, url="https://hook.example/in", events=["download.cancelled"])
    Preset.objects.create(owner=user, name="music", options={"quality": "audio"})
    LastChoices.objects.keep(user, {"quality": "720p"})
    Session.objects.create(
        session_key=f"{MARK}session{user.pk.hex}"[:40],
        session_data="",
        expire_date=timezone.now() + timedelta(days=1),
        user=user,
        browser="Firefox, Linux",
    )
    return user


def rows_of(user_id: Any) -> dict[str, int]:
    """Of every table that points to users, found without a list that somebody has to keep."""
    found = {}
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.related_model is User:
                count = model._default_manager.filter(**{field.attname: user_id}).count()
                found.update({model.__name__: count} if count else {})
    return found


# --- Closing ----------------------------------------------------------------------------------------------------
def test_a_closed_account_leaves_no_row_and_no_byte(stored: Stored) -> None:
    user, other = account(stored), account(stored)
    user_id, before = user.pk, rows_of(other.pk)
    assert rows_of(user_id).keys() >= {
        "ApiKey",
        "CookieJar",
        "Endpoint",
        "Job",
        "LastChoices",
        "Link",
        "Preset",
        "Session",
    }

    closing.close(user)
    assert rows_of(user_id) == {}
    assert not User.objects.filter(username=user.username).exists()
    assert rows_of(other.pk) == before
    assert MediaFile.objects.count() == 1
    report = audit.audit()
    assert report.is_clean


def test_nobody_is_let_in_by_what_a_closed_account_had(stored: Stored) -> None:
    user = account(stored)
    running = JobFactory(owner=user, running=True)
    _, plain = ApiKey.objects.issue(user, "script", [Scope.READ])
    token = SignInLink.objects.issue(user, timedelta(hours=1))

    user.close()
    assert ApiKey.objects.presented(plain, timezone.now()) is None
    assert SignInLink.objects.redeem(token, timezone.now()) is None
    assert not Session.objects.filter(user=user).exists()
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert not user.is_active
    assert Job.objects.get(pk=running.pk).status == Status.RUNNING


def test_what_runs_is_cancelled_and_nothing_of_it_is_told(stored: Stored) -> None:
    """Its webhooks go first."""
    user = account(stored)
    batch = BatchFactory(owner=user)
    JobFactory(owner=user, running=True, batch=batch, playlist_index=1)
    JobFactory(owner=user)

    closing.close(user)
    assert not Job.objects.filter(owner__username=user.username).exists()
    assert not Batch.objects.filter(owner__username=user.username).exists()
    assert not Delivery.objects.exists()


def test_the_sweep_goes_on_where_a_closing_was_cut_off(stored: Stored) -> None:
    user, other = account(stored), account(stored)
    BatchFactory(owner=user, status=BatchStatus.EXPANDING)
    JobFactory(owner=user)
    user.close()

    sweeping.sweep()
    assert not User.objects.filter(username=user.username).exists()
    assert User.objects.filter(username=other.username).exists()


def test_an_account_of_many_jobs_goes_whole() -> None:
    user = UserFactory()
    JobFactory.create_batch(450, owner=user, broken=True)
    closing.close(user)
    assert not Job.objects.exists()
    assert not User.objects.filter(username=user.username).exists()


@pytest.mark.parametrize("role", [{"is_staff": True}, {"is_superuser": True}])
def test_an_operators_account_stays_whole(stored: Stored, role: dict[str, bool]) -> None:
    user = account(stored, **role)
    before = rows_of(user.pk)
    with pytest.raises(CannotCloseError, match="operator"):
        closing.close(user)
    assert rows_of(user.pk) == before
    assert User.objects.get(pk=user.pk).is_active


def test_what_somebody_did_as_an_operator_is_not_wiped_out_with_the_account() -> None:
    user = UserFactory()
    LogEntry.objects.log_actions(user.pk, [user], CHANGE, change_message="Evicted.", single_object=True)
    with pytest.raises(CannotCloseError, match="record"):
        closing.close(user)
    assert User.objects.get(pk=user.pk).closed_at is None


# --- A copy -----------------------------------------------------------------------------------------------------
def test_an_export_has_all_sections_and_is_one_json_document(stored: Stored) -> None:
    user = account(stored, username="ada", display_name="Ada L.", email="ada@example.org")
    BatchFactory(owner=user, title="A list")
    found = json.loads("".join(export.pieces(user)))
    assert (found["account"]["username"], found["account"]["name"]) == ("ada", "Ada L.")
    sections = ("sessions", "keys", "cookies", "webhooks", "links", "presets", "last_choices", "batches", "downloads")
    assert [len(found[name]) for name in sections] == [1, 1, 1, 1, 1, 1, 1, 1, 2]
    film = next(job for job in found["downloads"] if job["title"] == "A film")
    assert film["files"][0]["sha256"]
    assert found["sessions"][0]["browser"] == "Firefox, Linux"


def test_an_export_of_nothing_is_a_document_too() -> None:
    found = json.loads("".join(export.pieces(UserFactory())))
    assert found["downloads"] == found["keys"] == []


def test_an_export_has_no_secret_and_nothing_of_others(stored: Stored) -> None:
    user, other = account(stored), account(stored)
    Job.objects.filter(owner=other).update(title="Not yours")
    text = "".join(export.pieces(user))
    assert MARK not in text
    assert "Not yours" not in text
    assert ApiKey.objects.owned_by(user).get().digest not in text


def test_an_export_has_every_download_however_many_there_are() -> None:
    user = UserFactory()
    made = {str(job.pk) for job in JobFactory.create_batch(450, owner=user)}
    found = json.loads("".join(export.pieces(user)))
    assert {job["request_id"] for job in found["downloads"]} == made
    assert len(found["downloads"]) == 450
