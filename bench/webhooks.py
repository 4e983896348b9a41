"""From an event to its webhook at the receiver: one event at a time, and many at once."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from bench.stand import databases, line, stand
from tests.origin import Origin
from tests.product import Product
from tests.webhooks.receiver import Handler, Receiver, says

EVENTS = 40


class Arrivals:
    """When each message came."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self, handler: Handler) -> None:
        self.at.append(time.time())
        says(204)(handler)


def main() -> None:
    for database in databases():
        arrivals = Arrivals()
        with stand(database) as (product, origin), Receiver(behaviours={"/hook": arrivals}) as receiver:
            product.wait_for_engine()
            body = {"url": receiver.url(), "events": ["download.queued"]}
            assert product.api.post("/webhooks", json=body).status_code == 201
            submit(product, origin, 0)
            receiver.wait(1)
            for number in range(EVENTS):
                submit(product, origin, number)
                receiver.wait(number + 2)
            print(line(f"{database}: event → receiver, one at a time", latencies(receiver, arrivals)[1:]))
            for number in range(EVENTS):
                submit(product, origin, number)
            receiver.wait(2 * EVENTS + 1)
            print(line(f"{database}: {EVENTS} of them at once", latencies(receiver, arrivals)[EVENTS + 1 :]))


def submit(product: Product, origin: Origin, number: int) -> None:
    """Late enough that it is queued, and no more."""
    product.submit(origin.url(f"/item/{number}.mp4"), start_after="2099-01-01T00:00:00Z")


def latencies(receiver: Receiver, arrivals: Arrivals) -> list[float]:
    """From the transaction that has made the event; of one address messages come in their order."""
    made = {received.id: moment(received.json) for received in receiver.received}
    return [at - then for at, then in zip(arrivals.at, made.values(), strict=False)]


def moment(body: dict[str, Any]) -> float:
    return datetime.fromisoformat(body["timestamp"]).timestamp()


if __name__ == "__main__":
    main()
