"""P13: webhooks are delivered at least once, each message with the same id, whoever is killed in between."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.faults.conftest import Bench
from tests.faults.test_crash_points import arm, fired, item
from tests.product import wait_until
from tests.webhooks.receiver import Receiver

pytestmark = [pytest.mark.promise("P13"), pytest.mark.faults, pytest.mark.timeout(300)]

STEPS = ["recorded", "before_claim", "before_send", "after_send", "after_commit"]
# Of jobs that wait for a day to come, and are cancelled before.
EVENTS = ["download.queued", "download.cancelled"]
LATER = "2099-01-01T00:00:00Z"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def test_no_message_is_lost_and_none_changes_its_id_when_senders_die(make_oracle: Bench, receiver: Receiver) -> None:
    oracle = make_oracle(EGRESS_ALLOW="127.0.0.1")
    api = oracle.product.api
    made = api.post("/webhooks", json={"url": receiver.url(), "events": EVENTS}).json()
    for step in STEPS:
        armed = arm(oracle, f"webhook.{step}")
        with contextlib.suppress(httpx.HTTPError):
            # The first event is recorded by the request itself, which then is not answered.
            oracle.submit(item(), start_after=LATER)
        fired(armed, 60)
        wait_until(oracle.product._answers, 60)
    for job in oracle.ledger:
        assert api.delete(f"/download/{job}").status_code == 200
    expected = {(job, event) for job in oracle.ledger for event in EVENTS}

    def told() -> set[tuple[str, str]]:
        return {(received.json["request_id"], received.event) for received in receiver.at("/hook")}

    wait_until(lambda: expected <= told(), 90, what="every message")
    path = f"/webhooks/{made['webhook_id']}/deliveries"
    wait_until(lambda: statuses(api.get(path)) == {"delivered"}, 60, what="every record")
    messages = {received.body: set[str]() for received in receiver.at("/hook")}
    for received in receiver.at("/hook"):
        Webhook(made["secret"]).verify(received.body, received.headers)
        messages[received.body].add(received.id)
    assert [ids for ids in messages.values() if len(ids) != 1] == []
    repeated = Counter(received.id for received in receiver.at("/hook"))
    assert max(repeated.values()) > 1, "a sender that dies between sending and recording sends again"


def statuses(answer: httpx.Response) -> set[str]:
    return {row["status"] for row in answer.json()["results"]}
