from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import User
from tests.factories import JobFactory, UserFactory
from tests.web.conftest import signed_in
from webhooks import outbox
from webhooks.models import Delivery, Endpoint, Failure

pytestmark = pytest.mark.django_db
ENDPOINTS, DELIVERIES = "/admin/webhooks/endpoint/", "/admin/webhooks/delivery/"


@pytest.fixture
def site(db: None) -> Client:
    return signed_in(UserFactory(is_staff=True, is_superuser=True))


@pytest.fixture
def delivery(endpoint: Endpoint) -> Delivery:
    return outbox.record_test(endpoint)


def act(site: Client, path: str, action: str, row: Any) -> str:
    answer = site.post(path, {"action": action, "_selected_action": [str(row.pk)]}, follow=True)
    return str(answer.text)


def test_shows_and_edits_nothing_and_no_secret(site: Client, endpoint: Endpoint, delivery: Delivery) -> None:
    for path, row in ((ENDPOINTS, endpoint), (DELIVERIES, delivery)):
        assert site.get(path).status_code == 200
        shown = site.get(f"{path}{row.pk}/change/")
        assert shown.status_code == 200
        assert endpoint.sealed_secret not in shown.text
        assert 'name="_save"' not in shown.text
        assert site.get(f"{path}add/").status_code == 403


def test_a_message_leads_to_what_it_tells_of(site: Client, delivery: Delivery) -> None:
    job = JobFactory()
    Delivery.objects.filter(pk=delivery.pk).update(request_id=job.pk)
    for address in (DELIVERIES, f"{DELIVERIES}{delivery.pk}/change/"):
        assert f'href="/admin/downloads/job/{job.pk}/change/"' in site.get(address).text


def test_sends_a_dead_letter_again(site: Client, delivery: Delivery) -> None:
    Delivery.objects.bury(Failure.TIMEOUT)
    assert "Sent again: 1." in act(site, DELIVERIES, "send_again", delivery)
    delivery.refresh_from_db()
    assert delivery.status == "pending"
    assert "Refused, because of their state: 1." in act(site, DELIVERIES, "send_again", delivery)
    assert LogEntry.objects.get().object_id == str(delivery.pk)


def test_disables_and_enables(site: Client, endpoint: Endpoint, user: User) -> None:
    act(site, ENDPOINTS, "disable", endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (False, "operator")
    act(site, ENDPOINTS, "enable", endpoint)
    endpoint.refresh_from_db()
    assert endpoint.is_enabled
