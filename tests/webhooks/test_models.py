"""Endpoints and deliveries: what their verbs do, and what they refuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import Settings

from accounts.models import User
from downloads.models import Counter, LeaseLostError, TransitionError
from tests.webhooks.conftest import MakeEndpoint
from webhooks import messages, outbox, vault
from webhooks.models import Delivery, DeliveryStatus, DisabledReason, Endpoint, Failure, Reply
from webhooks.models.endpoint import TooManyEndpointsError, WebhookStateError

pytestmark = pytest.mark.django_db
WORKER = "node/1/1"


@pytest.fixture
def delivery(endpoint: Endpoint) -> Delivery:
    return outbox.record_test(endpoint)


@pytest.fixture
def sent(delivery: Delivery) -> Delivery:
    delivery.start(WORKER)
    return delivery


def refused(status: int = 500, **fields: Any) -> Reply:
    return Reply(failure=Failure.BAD_STATUS, status=status, excerpt="no", seconds=0.1, **fields)


def counted(name: str) -> dict[str, float]:
    return {row.label_set["outcome"]: row.value for row in Counter.objects.filter(name=name)}


# --- Endpoints --------------------------------------------------------------------------------------------------


def test_a_secret_lies_sealed_in_the_database(user: User) -> None:
    endpoint, secret = Endpoint.objects.add(user, url="https://a.example/", events=[])
    assert secret.startswith("whsec_")
    stored = Endpoint.objects.filter(pk=endpoint.pk).values().get()
    assert secret not in str(stored)
    assert secret.removeprefix("whsec_") not in str(stored)
    assert endpoint.secrets(timezone.now()) == [secret]


def test_an_older_key_opens_what_it_has_sealed_and_a_foreign_one_does_not(user: User, settings: Settings) -> None:
    endpoint, secret = Endpoint.objects.add(user, url="https://a.example/", events=[])
    settings.WEBHOOK_KEYS = ["n" * 40, *settings.WEBHOOK_KEYS]
    assert endpoint.secrets(timezone.now()) == [secret]
    settings.WEBHOOK_KEYS = ["n" * 40]
    with pytest.raises(vault.SealedError):
        endpoint.secrets(timezone.now())


def test_resealing_makes_the_old_key_needless(
    user: User, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint, first = Endpoint.objects.add(user, url="https://a.example/", events=[])
    second = endpoint.rotate(timedelta(hours=1))
    Endpoint.objects.of_requests(user.pk)
    settings.WEBHOOK_KEYS = ["n" * 40, *settings.WEBHOOK_KEYS]
    call_command("rotate_webhook_secrets")
    assert "2 encrypted" in capsys.readouterr().out
    settings.WEBHOOK_KEYS = ["n" * 40]
    assert Endpoint.objects.get(pk=endpoint.pk).secrets(timezone.now()) == [second, first]


def test_resealing_names_what_no_key_opens_and_leaves_it(endpoint: Endpoint, settings: Settings) -> None:
    settings.WEBHOOK_KEYS = ["n" * 40]
    with pytest.raises(CommandError, match=str(endpoint.pk)):
        call_command("rotate_webhook_secrets")
    assert Endpoint.objects.get().sealed_secret == endpoint.sealed_secret


def test_resealing_brings_no_secret_back(endpoint: Endpoint) -> None:
    read_before = Endpoint.objects.get()
    secret = endpoint.rotate(timedelta(0))
    assert not read_before.reseal()
    assert Endpoint.objects.get().secrets(timezone.now()) == [secret]
    endpoint.delete()
    assert not read_before.reseal()


def test_rotating_lets_both_secrets_sign_for_a_while(user: User) -> None:
    endpoint, first = Endpoint.objects.add(user, url="https://a.example/", events=[])
    second = endpoint.rotate(timedelta(hours=1))
    now = timezone.now()
    assert endpoint.secrets(now) == [second, first]
    assert endpoint.secrets(now + timedelta(hours=2)) == [second]
    third = endpoint.rotate(timedelta(0))
    assert endpoint.secrets(timezone.now()) == [third]


def test_an_owner_has_so_many_and_no_more(user: User, settings: Settings, endpoint_of: MakeEndpoint) -> None:
    settings.MAX_WEBHOOKS_PER_OWNER = 2
    Endpoint.objects.of_requests(user.pk)
    for _ in range(2):
        endpoint_of(user)
    with pytest.raises(TooManyEndpointsError):
        endpoint_of(user)


def test_there_is_one_for_requests(user: User) -> None:
    assert Endpoint.objects.of_requests(user.pk) == Endpoint.objects.of_requests(user.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        Endpoint.objects.create(owner=user, is_for_requests=True, sealed_secret="x")


def test_an_address_is_what_every_other_endpoint_has(user: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Endpoint.objects.create(owner=user, sealed_secret="x")


def test_disabling_turns_what_waits_into_dead_letters(endpoint: Endpoint, delivery: Delivery) -> None:
    endpoint.disable(DisabledReason.OWNER)
    delivery.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (False, "owner")
    assert (delivery.status, delivery.error) == (DeliveryStatus.DEAD, Failure.DISABLED)
    endpoint.enable()
    delivery.redeliver()
    assert (delivery.status, endpoint.disabled_reason) == (DeliveryStatus.PENDING, "")


def test_the_first_reason_for_disabling_it_stays(endpoint: Endpoint) -> None:
    late = Endpoint.objects.get()
    endpoint.disable(DisabledReason.OWNER)
    late.disable(DisabledReason.GONE)
    assert (late.is_enabled, late.disabled_reason) == (False, "owner")


# --- Deliveries -------------------------------------------------------------------------------------------------


def test_writing_one_wakes_the_sender(endpoint: Endpoint) -> None:
    before = OrmQ.objects.count()
    outbox.record_test(endpoint)
    assert OrmQ.objects.count() == before + 1
    assert OrmQ.objects.latest("id").key == "control"


def test_starts_once(delivery: Delivery) -> None:
    rival = Delivery.objects.get()
    delivery.start(WORKER)
    assert (delivery.status, delivery.attempts, delivery.worker) == (DeliveryStatus.SENDING, 1, WORKER)
    with pytest.raises(TransitionError):
        rival.start(WORKER)


def test_what_arrives_is_over(sent: Delivery) -> None:
    sent.conclude(Reply(status=204, seconds=0.25))
    assert (sent.status, sent.response_status, sent.duration, sent.error) == (DeliveryStatus.DELIVERED, 204, 0.25, "")
    assert sent.finished_at is not None
    assert counted("webhook_attempts_total") == counted("webhook_deliveries_total") == {"delivered": 1}


def test_what_fails_waits_for_the_next_attempt_under_the_same_id(sent: Delivery) -> None:
    key = sent.pk
    sent.conclude(refused())
    assert (sent.pk, sent.status, sent.failures, sent.response_excerpt) == (key, DeliveryStatus.PENDING, 1, "no")
    assert timedelta(seconds=3) < sent.next_attempt_at - timezone.now() < timedelta(seconds=6.1)
    assert not Delivery.objects.due().exists()
    assert counted("webhook_attempts_total") == {"bad_status": 1}


def test_patience_that_is_asked_for_is_had(sent: Delivery) -> None:
    sent.conclude(refused(429, retry_after=100))
    assert sent.next_attempt_at - timezone.now() > timedelta(seconds=90)


def test_after_the_last_retry_it_is_a_dead_letter(delivery: Delivery, settings: Settings) -> None:
    settings.WEBHOOK_MAX_RETRIES = 2
    for _ in range(3):
        assert delivery.status == DeliveryStatus.PENDING
        delivery.start(WORKER)
        delivery.conclude(refused())
    assert (delivery.status, delivery.error, delivery.attempts) == (DeliveryStatus.DEAD, Failure.BAD_STATUS, 3)
    assert counted("webhook_deliveries_total") == {"dead": 1}


def test_a_dead_letter_can_be_sent_again_with_all_its_retries(delivery: Delivery, settings: Settings) -> None:
    settings.WEBHOOK_MAX_RETRIES = 0
    delivery.start(WORKER)
    delivery.conclude(refused())
    delivery.redeliver()
    assert (delivery.status, delivery.failures, delivery.finished_at) == (DeliveryStatus.PENDING, 0, None)
    assert Delivery.objects.due().get() == delivery


def test_what_is_under_way_is_not_sent_twice(delivery: Delivery) -> None:
    with pytest.raises(WebhookStateError):
        delivery.redeliver()


@pytest.mark.parametrize("failure", [Failure.URL_BLOCKED, Failure.GONE])
def test_some_failures_are_final(sent: Delivery, failure: Failure) -> None:
    sent.conclude(Reply(failure=failure))
    assert (sent.status, sent.error) == (DeliveryStatus.DEAD, failure)


def test_410_disables_the_endpoint(endpoint: Endpoint, sent: Delivery) -> None:
    waiting = outbox.record_test(endpoint)
    sent.conclude(Reply(failure=Failure.GONE, status=410))
    endpoint.refresh_from_db()
    waiting.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (False, DisabledReason.GONE)
    assert waiting.status == DeliveryStatus.DEAD


def test_410_from_the_address_of_one_request_disables_no_other(user: User) -> None:
    endpoint = Endpoint.objects.of_requests(user.pk)
    delivery = outbox._delivery(endpoint, "https://a.example/", messages.TEST, "{}")
    delivery.save()
    delivery.start(WORKER)
    delivery.conclude(Reply(failure=Failure.GONE, status=410))
    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, delivery.status) == (True, DeliveryStatus.DEAD)


def test_a_sender_that_lost_its_lease_records_nothing(sent: Delivery) -> None:
    late = Delivery.objects.get()
    sent.lose()
    with pytest.raises(LeaseLostError):
        late.conclude(Reply(status=200))
    assert (sent.status, sent.error, sent.failures) == (DeliveryStatus.PENDING, Failure.SENDER_LOST, 1)
    assert Delivery.objects.due().exists()


def test_a_message_that_kills_its_senders_is_given_up(delivery: Delivery, settings: Settings) -> None:
    settings.WEBHOOK_MAX_RETRIES = 1
    for _ in range(2):
        delivery.start(WORKER)
        delivery.lose()
    assert (delivery.status, delivery.error) == (DeliveryStatus.DEAD, Failure.SENDER_LOST)


def test_a_node_that_stops_hands_back_uncharged(sent: Delivery) -> None:
    sent.hand_back()
    assert (sent.status, sent.failures, sent.error) == (DeliveryStatus.PENDING, 0, "")


def test_progress_that_did_not_arrive_is_forgotten(sent: Delivery) -> None:
    Delivery.objects.update(event=messages.PROGRESS)
    sent.event = messages.PROGRESS
    sent.conclude(refused())
    assert not Delivery.objects.exists()


def test_progress_whose_sender_disappeared_is_forgotten(sent: Delivery) -> None:
    Delivery.objects.update(event=messages.PROGRESS)
    sent.event = messages.PROGRESS
    late = Delivery.objects.get()
    sent.lose()
    assert not Delivery.objects.exists()
    with pytest.raises(LeaseLostError):
        late.conclude(refused())


def test_deleting_an_endpoint_takes_its_deliveries_along(endpoint: Endpoint, delivery: Delivery) -> None:
    endpoint.delete()
    assert not Delivery.objects.exists()
