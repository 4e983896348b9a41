"""Settings: webhooks, in a browser without scripts."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from tests.factories import JobFactory, UserFactory
from tests.web.conftest import signed_in
from tests.webhooks.conftest import MakeEndpoint
from webhooks import outbox
from webhooks.models import Delivery, Endpoint, Failure

pytestmark = pytest.mark.django_db
PAGE = "/webhooks/"
NEW = {"url": "https://hooks.example.org/x", "events": ["download.completed", "batch.completed"], "description": "a"}


@pytest.fixture
def page(user: User) -> Client:
    return signed_in(user)


@pytest.fixture
def delivery(endpoint: Endpoint) -> Delivery:
    return outbox.record_test(endpoint)


def at(endpoint: Endpoint, below: str = "") -> str:
    return f"{PAGE}{endpoint.pk}/{below}"


def shown_secret(answer: Any) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/=]{44}", answer.text)
    assert found is not None
    return found.group()


def test_a_new_webhook_shows_its_secret_once(page: Client, user: User) -> None:
    answer = page.post(PAGE, NEW)
    secret = shown_secret(answer)
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (201, True)
    endpoint = Endpoint.objects.get(owner=user)
    assert (endpoint.events, endpoint.secrets(timezone.now())) == (NEW["events"], [secret])
    for path in (PAGE, at(endpoint)):
        assert secret not in page.get(path).text
    assert secret not in str(dict(page.session.items()))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "ftp://a.example/"}, "begins with http"),
        ({"url": "https://u:p@a.example/"}, "user name or password"),
        ({"url": ""}, "required"),
        ({"events": []}, "Choose at least one"),
        ({"events": ["nonsense"]}, "not one of the available choices"),
        ({"description": "x" * 101}, "at most 100"),
    ],
)
def test_refuses_what_is_no_webhook_and_says_why(page: Client, wrong: dict[str, Any], said: str) -> None:
    answer = page.post(PAGE, NEW | wrong)
    assert (answer.status_code, said in answer.text) == (422, True)
    assert not Endpoint.objects.exists()


def test_says_when_there_are_too_many(page: Client, settings: Settings) -> None:
    settings.MAX_WEBHOOKS_PER_OWNER = 1
    page.post(PAGE, NEW)
    assert "as many webhooks as you may" in page.post(PAGE, NEW).text


def test_is_changed_disabled_enabled_and_deleted(page: Client, endpoint: Endpoint) -> None:
    page.post(at(endpoint), NEW)
    page.post(at(endpoint, "switch/"), {"on": "0"})
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.is_enabled, endpoint.disabled_reason) == (NEW["url"], False, "owner")
    page.post(at(endpoint, "switch/"), {"on": "1"})
    endpoint.refresh_from_db()
    assert endpoint.is_enabled
    assert page.post(at(endpoint), NEW | {"url": "x"}).status_code == 422
    page.post(at(endpoint, "delete/"))
    assert page.get(at(endpoint)).status_code == 404


def test_a_secret_is_replaced(page: Client, endpoint: Endpoint) -> None:
    old = endpoint.secrets(timezone.now())
    new = shown_secret(page.post(at(endpoint, "rotate/"), {"overlap_hours": "24"}))
    endpoint.refresh_from_db()
    assert endpoint.secrets(timezone.now()) == [new, *old]
    assert "signs, too, until" in page.get(at(endpoint)).text
    page.post(at(endpoint, "rotate/"), {"overlap_hours": "9"})
    endpoint.refresh_from_db()
    assert endpoint.secrets(timezone.now()) == [new, *old]


def test_the_secret_for_requests_is_made_and_then_lives_on_a_page(page: Client, user: User) -> None:
    shown_secret(page.post(f"{PAGE}for-requests/"))
    endpoint = Endpoint.objects.for_requests().get(owner=user)
    assert page.post(f"{PAGE}for-requests/")["Location"] == at(endpoint)
    assert page.get(at(endpoint)).status_code == page.get(PAGE).status_code == 200
    assert page.post(at(endpoint), NEW, follow=True).status_code == 200
    assert page.post(at(endpoint, "test/"), follow=True).status_code == 200
    assert not Delivery.objects.exists()


def test_a_test_message_is_listed_and_shown(page: Client, endpoint: Endpoint) -> None:
    page.post(at(endpoint, "test/"))
    delivery = Delivery.objects.get()
    assert "webhook.test" in page.get(at(endpoint)).text
    shown = page.get(at(endpoint, f"deliveries/{delivery.pk}/")).text
    assert str(delivery.pk) in shown
    assert "&quot;event&quot;:&quot;webhook.test&quot;" in shown


def test_a_dead_letter_is_found_and_sent_again(page: Client, endpoint: Endpoint, delivery: Delivery) -> None:
    Delivery.objects.bury(Failure.TIMEOUT)
    assert "Some messages were given up" in page.get(PAGE).text
    assert "It took too long" in page.get(at(endpoint) + "?status=dead").text
    assert "Nothing here" in page.get(at(endpoint) + "?status=delivered").text
    path = at(endpoint, f"deliveries/{delivery.pk}/redeliver/")
    assert "is sent again" in page.post(path, follow=True).text
    assert "still under way" in page.post(path, follow=True).text


def test_what_a_receiver_answers_is_text_and_nothing_more(page: Client, endpoint: Endpoint, delivery: Delivery) -> None:
    Delivery.objects.update(response_excerpt="<script>alert(1)</script>")
    assert "<script>alert" not in page.get(at(endpoint, f"deliveries/{delivery.pk}/")).text


def test_listing_costs_the_same_however_many_there_are(
    page: Client, user: User, endpoint_of: MakeEndpoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    endpoints = [endpoint_of(user) for _ in range(5)]
    for endpoint in endpoints:
        outbox.record_test(endpoint)
    with django_assert_num_queries(7):
        page.get(PAGE)
    for _ in range(5):
        outbox.record_test(endpoint)
    with django_assert_num_queries(6):
        page.get(at(endpoint))


def test_somebody_elses_is_not_there(endpoint: Endpoint, delivery: Delivery) -> None:
    stranger = signed_in(UserFactory())
    for below in ("", "rotate/", "test/", "switch/", "delete/", f"deliveries/{delivery.pk}/redeliver/"):
        assert stranger.post(at(endpoint, below)).status_code == 404
    assert stranger.get(at(endpoint, f"deliveries/{delivery.pk}/")).status_code == 404
    assert signed_in(endpoint.owner).get(at(endpoint, f"deliveries/{uuid.uuid4()}/")).status_code == 404


def test_older_deliveries_are_on_pages_of_their_own(page: Client, endpoint: Endpoint) -> None:
    made = [outbox.record_test(endpoint) for _ in range(53)]
    first = page.get(at(endpoint) + "?status=pending")
    assert [each.pk for each, *_ in first.context["deliveries"]] == [each.pk for each in made[:2:-1]]
    assert f"?status=pending&amp;before={made[3].pk}" in first.text
    second = page.get(f"{at(endpoint)}?status=pending&before={made[3].pk}")
    assert [each.pk for each, *_ in second.context["deliveries"]] == [each.pk for each in made[2::-1]]
    assert "Newest" in second.text
    assert "Older" not in second.text


def test_a_delivery_leads_to_its_download(page: Client, user: User, endpoint: Endpoint) -> None:
    job = JobFactory(owner=user, title="A walk")
    outbox.record_test(endpoint)
    Delivery.objects.update(request_id=job.pk)
    assert f'<a href="/jobs/{job.pk}" dir="auto">A walk</a>' in page.get(at(endpoint)).text
    Delivery.objects.update(request_id=JobFactory(title="Secret").pk)
    assert "Secret" not in page.get(at(endpoint)).text


def test_what_is_about_to_come_is_waited_for(page: Client, endpoint: Endpoint, delivery: Delivery) -> None:
    assert 'hx-trigger="load delay:2s"' in page.get(at(endpoint)).text
    Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
    assert 'hx-trigger="load delay:2s"' not in page.get(at(endpoint)).text
