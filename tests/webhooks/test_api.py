"""/webhooks: each operation, whose rows, which scopes, and what is refused."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.models import ApiKey, Scope, User
from downloads.api.requests import WEBHOOK_EVENTS
from tests.factories import UserFactory
from tests.webhooks.conftest import MakeEndpoint
from webhooks import outbox
from webhooks.models import Delivery, DisabledReason, Endpoint

pytestmark = pytest.mark.django_db
WEBHOOKS = "/api/v1/webhooks"
URL = "https://hooks.example.org/mediadl"


def client_of(user: User, *scopes: str) -> APIClient:
    _, plain = ApiKey.objects.issue(user, "test", scopes or (Scope.READ, Scope.WRITE))
    return APIClient(headers={"X-API-Key": plain})


@pytest.fixture
def api(user: User) -> APIClient:
    return client_of(user)


@pytest.fixture
def delivery(endpoint: Endpoint) -> Delivery:
    return outbox.record_test(endpoint)


def at(endpoint: Endpoint, *below: object) -> str:
    return "/".join(map(str, [WEBHOOKS, endpoint.pk, *below]))


def post(api: APIClient, path: str, body: dict[str, Any] | None = None) -> Any:
    return api.post(path, body or {}, format="json")


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# --- Making and showing -----------------------------------------------------------------------------------------


def test_a_new_webhook_shows_its_secret_once(api: APIClient, user: User) -> None:
    answer = post(api, WEBHOOKS, {"url": URL, "description": "the archive"})
    body = answer.json()
    assert (answer.status_code, answer["Location"]) == (201, f"{WEBHOOKS}/{body['webhook_id']}")
    assert answer["Cache-Control"] == "no-store"
    assert body["events"] == ["download.completed", "download.failed"]
    assert Endpoint.objects.get(owner=user).secrets(timezone.now()) == [body["secret"]]
    shown = api.get(answer["Location"])
    assert shown.json() == {name: value for name, value in body.items() if name != "secret"}
    for path in (WEBHOOKS, answer["Location"]):
        assert body["secret"] not in api.get(path).content.decode()


def test_a_webhook_outlives_the_key_that_made_it(user: User) -> None:
    body = post(client_of(user), WEBHOOKS, {"url": URL}).json()
    ApiKey.objects.get().revoke()
    ApiKey.objects.all().delete()
    endpoint = Endpoint.objects.enabled().get()
    assert client_of(user).get(at(endpoint)).json()["webhook_id"] == body["webhook_id"]
    assert post(client_of(user), at(endpoint, "test")).json()["status"] == "pending"


def test_a_repeated_request_makes_one_and_shows_no_secret_again(user: User) -> None:
    api = client_of(user)
    api.credentials(HTTP_IDEMPOTENCY_KEY="once")
    first, second = (post(api, WEBHOOKS, {"url": URL}).json() for _ in range(2))
    assert (second["webhook_id"], second["secret"]) == (first["webhook_id"], None)
    assert Endpoint.objects.count() == 1


def test_events_are_kept_once_each_in_their_order(api: APIClient) -> None:
    asked = ["download.failed", "download.queued", "download.failed"]
    assert post(api, WEBHOOKS, {"url": URL, "events": asked}).json()["events"] == ["download.queued", "download.failed"]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "url", "required"),
        ({"url": None}, "url", "null"),
        ({"url": 5}, "url", "invalid"),
        ({"url": "ftp://hooks.example.org/"}, "url", "invalid_scheme"),
        ({"url": "javascript:alert(1)"}, "url", "invalid_scheme"),
        ({"url": "https://user:secret@hooks.example.org/"}, "url", "userinfo"),
        ({"url": "https://hooks.example.org/" + "x" * 2030}, "url", "max_length"),
        ({"url": "https://hooks.example.org/\r\nX: 1"}, "url", "invalid_url"),
        ({"url": URL, "events": []}, "events", "min_length"),
        ({"url": URL, "events": "download.queued"}, "events", "not_a_list"),
        ({"url": URL, "events": ["download.nonsense"]}, "events[0]", "invalid_choice"),
        ({"url": URL, "description": "x" * 101}, "description", "max_length"),
        ({"url": URL, "description": "a\nb"}, "description", "invalid"),
        ({"url": URL, "secret": "mine"}, "secret", "unknown_field"),
        ({"url": URL, "is_enabled": False}, "is_enabled", "unknown_field"),
    ],
)
def test_refuses_what_is_no_webhook(api: APIClient, body: dict[str, Any], field: str, code: str) -> None:
    answer = post(api, WEBHOOKS, body)
    assert answer.status_code == 400
    assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]
    assert not Endpoint.objects.exists()


def test_one_has_so_many_and_no_more(api: APIClient, settings: Settings) -> None:
    settings.MAX_WEBHOOKS_PER_OWNER = 1
    assert post(api, WEBHOOKS, {"url": URL}).status_code == 201
    assert code_of(post(api, WEBHOOKS, {"url": URL})) == (409, "too_many_webhooks")


def test_lists_ones_own_newest_first(
    api: APIClient, user: User, endpoint_of: MakeEndpoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    endpoint_of(UserFactory())
    mine = [str(endpoint_of(user).pk) for _ in range(5)]
    api.get(WEBHOOKS)
    with django_assert_num_queries(3):
        first = api.get(WEBHOOKS, {"limit": 3}).json()
    second = api.get(first["next"]).json()
    assert [row["webhook_id"] for row in [*first["results"], *second["results"]]] == mine[::-1]
    assert code_of(api.get(WEBHOOKS, {"cursor": "nonsense"})) == (404, "invalid_cursor")
    assert code_of(api.get(WEBHOOKS, {"limit": 1000})) == (400, "validation_failed")


# --- Changing ---------------------------------------------------------------------------------------------------


def test_changes_what_is_given(api: APIClient, endpoint: Endpoint) -> None:
    answer = api.patch(at(endpoint), {"events": ["download.queued"], "url": "HTTPS://Other.Example/x"}, format="json")
    assert answer.status_code == 200
    assert (answer.json()["url"], answer.json()["events"]) == ("https://other.example/x", ["download.queued"])
    assert api.patch(at(endpoint), {}, format="json").json() == answer.json()


@pytest.mark.parametrize("body", [{"url": "nonsense"}, {"events": []}, {"is_enabled": "yes"}, {"owner": 1}])
def test_refuses_a_change_for_the_worse(api: APIClient, endpoint: Endpoint, body: dict[str, Any]) -> None:
    assert api.patch(at(endpoint), body, format="json").status_code == 400


def test_disables_and_enables(api: APIClient, endpoint: Endpoint, delivery: Delivery) -> None:
    answer = api.patch(at(endpoint), {"is_enabled": False}, format="json")
    assert (answer.json()["is_enabled"], answer.json()["disabled_reason"]) == (False, "owner")
    delivery.refresh_from_db()
    assert delivery.status == "dead"
    assert api.patch(at(endpoint), {"is_enabled": True}, format="json").json()["disabled_reason"] is None


def test_deletes(api: APIClient, endpoint: Endpoint) -> None:
    assert api.delete(at(endpoint)).status_code == 204
    assert api.get(at(endpoint)).status_code == 404


def test_rotates_with_an_overlap(api: APIClient, endpoint: Endpoint) -> None:
    old = endpoint.secrets(timezone.now())
    body = post(api, at(endpoint, "rotate"), {"overlap_hours": 2}).json()
    until = datetime.fromisoformat(body["previous_secret_until"])
    assert timedelta(hours=1.9) < until - timezone.now() < timedelta(hours=2.1)
    endpoint.refresh_from_db()
    assert endpoint.secrets(timezone.now()) == [body["secret"], *old]
    assert post(api, at(endpoint, "rotate"), {"overlap_hours": 0}).json()["previous_secret_until"] is None


@pytest.mark.parametrize("hours", [-1, 721, "1", 1.5, None])
def test_refuses_an_overlap_that_is_none(api: APIClient, endpoint: Endpoint, hours: Any) -> None:
    assert post(api, at(endpoint, "rotate"), {"overlap_hours": hours}).status_code == 400


# --- The one for requests ---------------------------------------------------------------------------------------


def test_the_secret_for_requests_is_made_shown_once_and_replaced(api: APIClient, user: User) -> None:
    first = post(api, f"{WEBHOOKS}/for-requests").json()
    assert (first["url"], Endpoint.objects.for_requests().count()) == (None, 1)
    second = post(api, f"{WEBHOOKS}/for-requests", {"overlap_hours": 0}).json()
    assert (second["webhook_id"], second["secret"] != first["secret"]) == (first["webhook_id"], True)
    assert Endpoint.objects.get().secrets(timezone.now()) == [second["secret"]]


def test_the_one_for_requests_has_no_address_to_change_or_test(api: APIClient, user: User) -> None:
    endpoint = Endpoint.objects.of_requests(user.pk)
    assert code_of(api.patch(at(endpoint), {"url": URL}, format="json")) == (409, "wrong_state")
    assert code_of(post(api, at(endpoint, "test"))) == (409, "wrong_state")
    assert api.patch(at(endpoint), {"is_enabled": False}, format="json").status_code == 200


# --- Deliveries -------------------------------------------------------------------------------------------------


def test_a_test_message_is_recorded_and_can_be_followed(api: APIClient, endpoint: Endpoint) -> None:
    answer = post(api, at(endpoint, "test"))
    body = answer.json()
    assert (answer.status_code, body["event"], body["status"]) == (202, "webhook.test", "pending")
    followed = api.get(at(endpoint, "deliveries", body["delivery_id"])).json()
    assert followed["payload"]["event"] == "webhook.test"
    assert set(followed["payload"]) == {"event", "timestamp", "request_id", "data"}


def test_a_disabled_webhook_is_neither_tested_nor_sent_anything_again(
    api: APIClient, endpoint: Endpoint, delivery: Delivery
) -> None:
    endpoint.disable(DisabledReason.OWNER)
    for below in ("test", f"deliveries/{delivery.pk}/redeliver"):
        assert code_of(post(api, at(endpoint, below))) == (409, "wrong_state")


def test_lists_deliveries_by_state_event_and_job(
    api: APIClient, endpoint: Endpoint, delivery: Delivery, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = uuid.uuid4()
    other = outbox._delivery(endpoint, endpoint.url, "download.completed", "{}", request_id=job)
    other.status, other.finished_at = "delivered", timezone.now()
    other.save()

    def found(**query: Any) -> set[str]:
        return {row["delivery_id"] for row in api.get(at(endpoint, "deliveries"), query).json()["results"]}

    assert found() == {str(delivery.pk), str(other.pk)}
    assert found(status="delivered") == found(event="download.completed") == found(request_id=job) == {str(other.pk)}
    assert found(status="dead") == set()
    with django_assert_num_queries(4):
        page = api.get(at(endpoint, "deliveries"), {"limit": 1}).json()
    assert len(api.get(page["next"]).json()["results"]) == 1


@pytest.mark.parametrize(
    "query", [{"status": "nonsense"}, {"event": "x"}, {"request_id": "1"}, {"limit": 0}, {"q": "x"}, {"cursor": "x"}]
)
def test_refuses_a_filter_that_is_none(api: APIClient, endpoint: Endpoint, query: dict[str, Any]) -> None:
    assert api.get(at(endpoint, "deliveries"), query).status_code in {400, 404}


def test_sends_a_dead_letter_again(api: APIClient, endpoint: Endpoint, delivery: Delivery) -> None:
    path = at(endpoint, "deliveries", delivery.pk, "redeliver")
    assert code_of(post(api, path)) == (409, "wrong_state")
    Delivery.objects.bury("timeout")  # type: ignore[arg-type]  # as the column has it
    answer = post(api, path)
    assert (answer.status_code, answer.json()["delivery_id"], answer.json()["status"]) == (
        202,
        str(delivery.pk),
        "pending",
    )


# --- Whose, and who may -----------------------------------------------------------------------------------------

PATHS = ("", "/rotate", "/test", "/deliveries", "/deliveries/DELIVERY", "/deliveries/DELIVERY/redeliver")


@pytest.mark.parametrize("below", PATHS)
def test_somebody_elses_is_not_there(endpoint: Endpoint, delivery: Delivery, below: str) -> None:
    stranger = client_of(UserFactory())
    path = at(endpoint) + below.replace("DELIVERY", str(delivery.pk))
    for method in ("get", "post", "patch", "delete"):
        assert getattr(stranger, method)(path, {}, format="json").status_code in {404, 405}


def test_a_delivery_is_found_below_its_own_webhook_alone(
    api: APIClient, user: User, delivery: Delivery, endpoint_of: MakeEndpoint
) -> None:
    assert api.get(at(endpoint_of(user), "deliveries", delivery.pk)).status_code == 404


def test_a_key_for_reading_reads(user: User, endpoint: Endpoint, delivery: Delivery) -> None:
    reader = client_of(user, Scope.READ)
    assert reader.get(at(endpoint, "deliveries", delivery.pk)).status_code == 200
    for path in (WEBHOOKS, f"{WEBHOOKS}/for-requests", at(endpoint, "rotate"), at(endpoint, "test")):
        assert code_of(post(reader, path)) == (403, "insufficient_scope")
    assert reader.delete(at(endpoint)).status_code == reader.patch(at(endpoint), {}).status_code == 403


def test_nobody_needs_to_be_told_that_a_key_is_needed() -> None:
    assert APIClient().get(WEBHOOKS).status_code == APIClient().post(WEBHOOKS).status_code == 401


def test_tests_cost_as_much_as_submissions(api: APIClient, endpoint: Endpoint, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 2
    assert [post(api, at(endpoint, "test")).status_code for _ in range(3)] == [202, 202, 429]
    assert api.get(at(endpoint)).status_code == 200


def test_a_request_names_events_that_there_are(api: APIClient) -> None:
    body = {"url": "https://media.example/x", "webhook_url": URL, "webhook_events": list(WEBHOOK_EVENTS)}
    assert post(api, "/api/v1/download", body).status_code == 201
    assert Delivery.objects.get().event == "download.queued"
    bad = body | {"webhook_url": "https://a:b@hooks.example.org/"}
    assert post(api, "/api/v1/download", bad).status_code == 400
