"""Who is sent to next: everybody gets a place, whoever hangs and however much waits for them."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from accounts.models import User
from tests.factories import UserFactory
from tests.webhooks.conftest import MakeEndpoint
from webhooks import claims, outbox
from webhooks.models import Delivery, Endpoint

pytestmark = pytest.mark.django_db
WORKER = "node/1/1"


def write(endpoint: Endpoint, count: int, url: str = "", request_id: UUID | None = None) -> None:
    rows = [
        outbox._delivery(endpoint, url or endpoint.url, "download.queued", "{}", request_id=request_id or uuid7())
        for _ in range(count)
    ]
    Delivery.objects.bulk_create(rows)


def claimed() -> Counter[UUID]:
    return Counter(delivery.endpoint_id for delivery in claims.claim(WORKER))


def test_the_oldest_come_first(endpoint: Endpoint) -> None:
    write(endpoint, 3)
    assert [delivery.pk for delivery in claims.claim(WORKER)] == list(
        Delivery.objects.order_by("id").values_list("pk", flat=True)
    )
    assert claims.claim(WORKER) == []


def test_a_long_backlog_of_one_hides_nobody(user: User, endpoint_of: MakeEndpoint) -> None:
    busy, quiet = endpoint_of(user), endpoint_of(UserFactory())
    write(busy, 250)
    write(quiet, 1)
    assert claimed() == {busy.pk: claims.MAX_OF_LANE, quiet.pk: 1}


def test_an_owner_with_many_endpoints_leaves_room_for_others(user: User, endpoint_of: MakeEndpoint) -> None:
    for _ in range(10):
        write(endpoint_of(user), 10)
    other = endpoint_of(UserFactory())
    write(other, 1)
    found = claimed()
    assert found[other.pk] == 1
    assert found.total() == claims.MAX_OF_OWNER + 1


def test_all_together_have_a_bound(endpoint_of: MakeEndpoint) -> None:
    for _ in range(claims.MAX_IN_FLIGHT):
        write(endpoint_of(UserFactory()), 2)
    assert claimed().total() == claims.MAX_IN_FLIGHT


def test_of_one_job_a_receiver_is_told_one_thing_at_a_time(endpoint: Endpoint) -> None:
    job = uuid7()
    write(endpoint, 3, request_id=job)
    [first] = claims.claim(WORKER)
    assert claims.claim(WORKER) == []
    first.hand_back()
    Delivery.objects.filter(pk=first.pk).update(status="delivered", finished_at=first.created_at)
    assert len(claims.claim(WORKER)) == 1


def test_hosts_of_single_requests_do_not_hold_up_each_other(user: User) -> None:
    endpoint = Endpoint.objects.of_requests(user.pk)
    write(endpoint, 10, "https://slow.example/")
    write(endpoint, 1, "https://quick.example/")
    urls = Counter(delivery.url for delivery in claims.claim(WORKER))
    assert urls == {"https://slow.example/": claims.MAX_OF_LANE, "https://quick.example/": 1}
