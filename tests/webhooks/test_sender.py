"""The sender against real receivers, through the real guard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone
from django.utils.http import http_date
from pytest_django import Settings
from standardwebhooks.webhooks import Webhook
from uuid_utils.compat import uuid7

from accounts.models import User
from downloads import bell, workers
from tests.factories import JobFactory
from tests.product import free_port, wait_until
from tests.webhooks.receiver import Receiver, hangs, pours, says, trickles
from webhooks import outbox, sender, tasks
from webhooks.models import Delivery, DeliveryStatus, Endpoint, Failure

# The transport has a thread of its own, but the database is asked by the sender's alone.
pytestmark = [
    pytest.mark.promise("P13", "S1", "S10"),
    pytest.mark.django_db,
    pytest.mark.usefixtures("guard", "no_lingering"),
]


@pytest.fixture
def no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not wait for a retry."""
    monkeypatch.setattr(sender, "LINGER_SECONDS", 0.5)


@pytest.fixture
def listening(user: User, receiver: Receiver) -> tuple[Endpoint, str]:
    return Endpoint.objects.add(user, url=receiver.url(), events=["download.cancelled"])


def to(owner: User, url: str, *, count: int = 1) -> list[Delivery]:
    endpoint, _ = Endpoint.objects.add(owner, url=url, events=[])
    rows = [outbox._delivery(endpoint, url, "download.queued", "{}", request_id=uuid7()) for _ in range(count)]
    return Delivery.objects.bulk_create(rows)


def sent(owner: User, url: str) -> Delivery:
    [delivery] = to(owner, url)
    sender.send_due()
    return Delivery.objects.get(pk=delivery.pk)


def test_what_happens_to_a_job_arrives_signed(
    user: User, receiver: Receiver, listening: tuple[Endpoint, str], settings: Settings
) -> None:
    _, secret = listening
    job = JobFactory(owner=user, title="Ein Lied für Mütter")
    job.cancel()
    sender.send_due()
    [received] = receiver.received
    assert Webhook(secret).verify(received.body, received.headers)["data"]["title"] == "Ein Lied für Mütter"
    delivery = Delivery.objects.get()
    assert received.headers["webhook-id"] == str(delivery.pk)
    assert received.headers["content-type"] == "application/json"
    assert received.headers["x-webhook-event"] == "download.cancelled"
    assert (delivery.status, delivery.response_status, delivery.response_excerpt) == ("delivered", 200, "ok")
    assert delivery.duration is not None


def test_a_wake_up_sends_what_is_there_and_may_come_for_nothing(user: User, receiver: Receiver) -> None:
    tasks.send()
    to(user, receiver.url(), count=2)
    for _ in range(2):
        tasks.send()
    assert len(receiver.received) == 2


def test_while_a_secret_is_replaced_both_verify(
    user: User, receiver: Receiver, listening: tuple[Endpoint, str]
) -> None:
    endpoint, old = listening
    new = endpoint.rotate(timedelta(hours=1))
    outbox.record_test(endpoint)
    sender.send_due()
    [received] = receiver.received
    for secret in (old, new):
        Webhook(secret).verify(received.body, received.headers)
    assert received.headers["x-webhook-signature"].count("sha256=") == 2


def test_every_attempt_has_the_same_id_and_body_and_a_signature_of_its_own_time(
    user: User, receiver: Receiver, listening: tuple[Endpoint, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.behaviours["/hook"] = says(500, b"no")
    outbox.record_test(listening[0])
    sender.send_due()
    Delivery.objects.update(next_attempt_at=timezone.now())
    time.sleep(1.1)
    receiver.behaviours["/hook"] = says(200)
    sender.send_due()
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    Webhook(listening[1]).verify(second.body, second.headers)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts, delivery.failures) == ("delivered", 2, 0)


@pytest.mark.parametrize("status", [300, 302, 307, 400, 404, 500, 503])
def test_all_but_2xx_is_tried_again(user: User, receiver: Receiver, status: int) -> None:
    receiver.behaviours["/hook"] = says(status, b"no", Location=receiver.url("/elsewhere"))
    delivery = sent(user, receiver.url())
    assert (delivery.status, delivery.error, delivery.response_status) == ("pending", Failure.BAD_STATUS, status)
    assert receiver.at("/elsewhere") == []


def test_410_disables(user: User, receiver: Receiver) -> None:
    receiver.behaviours["/hook"] = says(410)
    delivery = sent(user, receiver.url())
    assert (delivery.status, delivery.error, delivery.endpoint.is_enabled) == ("dead", Failure.GONE, False)


@pytest.mark.parametrize("write", [lambda: "3600", lambda: http_date(time.time() + 3600)])
def test_retry_after_is_obeyed(user: User, receiver: Receiver, write: Callable[[], str]) -> None:
    receiver.behaviours["/hook"] = says(503, Retry_After=write())
    delivery = sent(user, receiver.url())
    assert delivery.next_attempt_at - timezone.now() > timedelta(minutes=58)


@pytest.mark.parametrize("said", ["soon", "-5", "\u00b2", "99999999999999999999", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_a_retry_after_that_says_nothing_is_no_matter(user: User, receiver: Receiver, said: str) -> None:
    receiver.behaviours["/hook"] = says(429, Retry_After=said)
    assert sent(user, receiver.url()).status == "pending"


def test_an_internal_address_is_refused_by_the_guard_and_not_tried_again(user: User) -> None:
    for url in ("http://10.0.0.5/hook", "https://10.0.0.5/hook", "http://[::1]/hook", "http://169.254.169.254/"):
        delivery = sent(user, url)
        assert (delivery.status, delivery.error, delivery.response_status) == ("dead", Failure.URL_BLOCKED, None)


def test_who_is_not_there_is_tried_again(user: User) -> None:
    delivery = sent(user, f"http://127.0.0.1:{free_port()}/hook")
    assert (delivery.status, delivery.error) == ("pending", Failure.NETWORK_ERROR)


def test_without_a_guard_nothing_is_sent(user: User, receiver: Receiver, settings: Settings) -> None:
    to(user, receiver.url())
    settings.GUARD_URL = ""
    with pytest.raises(RuntimeError):
        sender.send_due()
    settings.GUARD_URL = f"http://127.0.0.1:{free_port()}"
    sender.send_due()
    assert receiver.received == []
    assert Delivery.objects.get().error == Failure.NETWORK_ERROR


@pytest.mark.parametrize("behaviour", [hangs, trickles])
def test_an_answer_that_does_not_come_is_given_up(
    user: User, receiver: Receiver, settings: Settings, behaviour: Any
) -> None:
    settings.WEBHOOK_TIMEOUT_SEC = 1
    receiver.behaviours["/hook"] = behaviour
    delivery = sent(user, receiver.url())
    assert (delivery.status, delivery.error, delivery.response_status) == ("pending", Failure.TIMEOUT, None)


def test_of_an_endless_answer_a_little_is_read_and_its_status_counts(user: User, receiver: Receiver) -> None:
    receiver.behaviours["/hook"] = pours
    delivery = sent(user, receiver.url())
    assert (delivery.status, delivery.response_excerpt) == ("delivered", "x" * 1024)


def test_a_packed_answer_is_not_unpacked_and_strange_bytes_are_made_harmless(user: User, receiver: Receiver) -> None:
    receiver.behaviours["/hook"] = says(200, b"\x1f\x8b\x00\xff<script>", Content_Encoding="gzip")
    delivery = sent(user, receiver.url())
    assert delivery.status == "delivered"
    assert delivery.response_excerpt == "\ufffd\ufffd\ufffd\ufffd<script>"


def test_a_webhook_that_was_disabled_meanwhile_is_sent_nothing(user: User, receiver: Receiver) -> None:
    [delivery] = to(user, receiver.url())
    Endpoint.objects.filter(pk=delivery.endpoint_id).update(is_enabled=False, disabled_reason="owner")
    sender.send_due()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error, receiver.received) == ("dead", Failure.DISABLED, [])


def test_a_secret_that_cannot_be_read_is_told(user: User, receiver: Receiver, settings: Settings) -> None:
    [delivery] = to(user, receiver.url())
    settings.WEBHOOK_KEYS = ["another" * 8]
    sender.send_due()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error, receiver.received) == ("pending", Failure.SECRET_LOST, [])


def test_what_a_dead_sender_held_is_sent_again(user: User, receiver: Receiver, settings: Settings) -> None:
    [delivery] = to(user, receiver.url())
    delivery.start(f"{settings.NODE_NAME}/999999999/1")
    sender.send_due()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("delivered", 2)


def test_what_lives_elsewhere_is_left_alone_until_its_lease_is_over(user: User, receiver: Receiver) -> None:
    [delivery] = to(user, receiver.url())
    delivery.start("elsewhere/1/1")
    sender.send_due()
    assert receiver.received == []
    Delivery.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    sender.send_due()
    assert len(receiver.received) == 1


def test_a_node_that_stops_claims_nothing(user: User, receiver: Receiver) -> None:
    to(user, receiver.url())
    workers.start_draining()
    sender.send_due()
    assert receiver.received == []


def test_a_second_sender_leaves_at_once(user: User, receiver: Receiver) -> None:
    to(user, receiver.url())
    with sender._alone() as is_alone:
        assert is_alone
        sender.send_due()
    assert receiver.received == []


def test_a_retry_that_is_due_soon_is_waited_for(
    user: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "LINGER_SECONDS", 12.0)
    receiver.behaviours["/hook"] = says(500)
    wait = sender.Sender._wait

    def recover_and_wait(self: sender.Sender) -> None:
        if receiver.received:
            receiver.behaviours["/hook"] = says(200)
        wait(self)

    monkeypatch.setattr(sender.Sender, "_wait", recover_and_wait)
    delivery = sent(user, receiver.url())
    assert (delivery.status, delivery.attempts) == ("delivered", 2)


@pytest.fixture
def sending(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A sender in a thread of its own, with a connection of its own."""
    monkeypatch.setattr(sender, "DRAIN_SECONDS", 0.2)
    threads: list[threading.Thread] = []

    def work() -> None:
        try:
            sender.send_due()
        finally:
            connections.close_all()

    def start() -> threading.Thread:
        thread = threading.Thread(target=work)
        thread.start()
        threads.append(thread)
        return thread

    yield start
    workers.start_draining()
    for thread in threads:
        thread.join(30)
    connection.close()


def test_a_receiver_that_hangs_holds_up_nobody_else(user: User, receiver: Receiver, sending: Any) -> None:
    receiver.behaviours["/slow"] = hangs
    to(user, receiver.url("/slow"), count=50)
    to(user, receiver.url("/quick"), count=10)
    sending()
    receiver.wait(10, "/quick", seconds=4.5)
    assert len(receiver.at("/slow")) == 4


def test_a_sender_that_is_at_it_hears_of_what_comes(
    user: User, receiver: Receiver, sending: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "LINGER_SECONDS", 20.0)
    receiver.behaviours["/slow"] = hangs
    to(user, receiver.url("/slow"))
    sending()
    receiver.wait(1, "/slow")
    [late] = to(user, receiver.url("/quick"))
    bell.knock("webhooks")
    receiver.wait(1, "/quick")
    wait_until(lambda: Delivery.objects.get(pk=late.pk).status == DeliveryStatus.DELIVERED, 20)


def test_a_sender_that_is_told_to_stop_hands_back_what_is_under_way(
    user: User, receiver: Receiver, sending: Any
) -> None:
    receiver.behaviours["/slow"] = hangs
    [delivery] = to(user, receiver.url("/slow"))
    thread = sending()
    receiver.wait(1, "/slow")
    workers.start_draining()
    thread.join(20)
    delivery.refresh_from_db()
    assert (thread.is_alive(), delivery.status, delivery.failures) == (False, DeliveryStatus.PENDING, 0)
