"""Who may only look can do nothing, by the buttons that are there nor by those that are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, Scope, User
from downloads.models import Job, Link
from tests.factories import BatchFactory, JobFactory, MediaFileFactory
from tests.web.conftest import staff
from webhooks.models import Delivery, DisabledReason, Endpoint

pytestmark = pytest.mark.django_db
JOBS = "/admin/downloads/job/"


def batch(user: User) -> Model:
    made: Model = BatchFactory(owner=user)
    JobFactory(owner=user, batch=made, playlist_index=1)
    JobFactory(owner=user, batch=made, playlist_index=2, broken=True)
    return made


def link(user: User) -> Model:
    file = MediaFileFactory(job=JobFactory(owner=user, finished=True))
    return Link.objects.issue(file, user, timezone.now())


def endpoint(user: User) -> Endpoint:
    return Endpoint.objects.create(owner=user, url="https://hooks.example/in", sealed_secret="x")


def disabled_endpoint(user: User) -> Model:
    made = endpoint(user)
    made.disable(DisabledReason.OWNER)
    return made


def dead_letter(user: User) -> Model:
    facts = {"event": "download.completed", "body": "{}", "lane": "x", "url": "https://hooks.example/in"}
    ended = {"status": "dead", "error": "timeout", "finished_at": timezone.now()}
    return Delivery.objects.create(endpoint=endpoint(user), owner=user, **facts, **ended)


def key(user: User) -> Model:
    return ApiKey.objects.issue(user, "phone", [Scope.READ])[0]


def everything() -> list[dict[str, Any]]:
    """What actions could have changed."""
    tables: tuple[type[Model], ...] = (Job, Link, Endpoint, Delivery, ApiKey)
    return [row for model in tables for row in model._default_manager.order_by("pk").values()]


@pytest.mark.parametrize(
    ("table", "make", "action"),
    [
        ("downloads/batch", batch, "cancel"),
        ("downloads/batch", batch, "retry"),
        ("downloads/link", link, "revoke"),
        ("webhooks/endpoint", endpoint, "disable"),
        ("webhooks/endpoint", disabled_endpoint, "enable"),
        ("webhooks/delivery", dead_letter, "send_again"),
        ("accounts/apikey", key, "revoke"),
    ],
)
def test_who_may_look_at_a_list_has_no_action_there_and_who_may_change_it_has(
    user: User, site: Client, table: str, make: Callable[[User], Model], action: str
) -> None:
    row = make(user)
    viewer = staff(f"view_{table.split('/')[1]}")
    address, before = f"/admin/{table}/", everything()
    assert 'name="action"' not in viewer.get(address).text
    assert viewer.get(f"{address}{row.pk}/change/").status_code == 200
    form = {"action": action, "_selected_action": [str(row.pk)]}
    for extra in ({}, {"index": "0"}, {"post": "yes"}):
        viewer.post(address, form | extra, follow=True)
        viewer.post(address, form | extra | {"action": "delete_selected"}, follow=True)
    assert viewer.post(f"{address}{row.pk}/change/", {"status": "x", "is_enabled": ""}).status_code == 403
    assert viewer.post(f"{address}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert everything() == before
    assert not LogEntry.objects.exists()

    site.post(address, form, follow=True)
    assert everything() != before


@pytest.mark.django_db(transaction=True)
def test_who_may_change_jobs_and_delete_none_deletes_none(site: Client) -> None:
    job, waiting = JobFactory(finished=True), JobFactory()
    helper = staff("view_job", "change_job")
    shown = helper.get(JOBS).text
    assert 'value="cancel"' in shown
    assert 'value="delete_with_files"' not in shown
    form = {"action": "delete_with_files", "_selected_action": [str(job.pk)]}
    helper.post(JOBS, form, follow=True)
    assert Job.objects.filter(pk=job.pk).exists()
    helper.post(JOBS, {"action": "cancel", "_selected_action": [str(waiting.pk)]})
    assert Job.objects.get(pk=waiting.pk).status == "cancelled"
    site.post(JOBS, form, follow=True)
    assert not Job.objects.filter(pk=job.pk).exists()


@pytest.mark.parametrize("table", ["batch", "link"])
def test_the_right_to_look_at_one_list_is_none_to_look_at_another(table: str) -> None:
    viewer = staff("view_job")
    assert viewer.get(JOBS).status_code == 200
    assert viewer.get(f"/admin/downloads/{table}/").status_code == 403
