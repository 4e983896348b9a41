"""A webhook is deleted while it is told of something: neither fails, and nothing is left of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from tests.accounts.racing import meet
from tests.factories import JobFactory
from webhooks import outbox
from webhooks.models import Delivery, Endpoint
from webhooks.models.delivery import Failure, Reply

pytestmark = pytest.mark.django_db(transaction=True)

Deed = Callable[[Endpoint], Any]


def end_a_job(endpoint: Endpoint) -> None:
    JobFactory(owner=endpoint.owner, running=True).complete([])


def conclude(endpoint: Endpoint) -> None:
    sent = endpoint.deliveries.get()
    sent.start("node/1/1")
    sent.conclude(Reply(failure=Failure.GONE, status=410))


DEEDS: dict[str, Deed] = {"a job ends": end_a_job, "it is tested": outbox.record_test, "it says 410": conclude}


def remove(endpoint: Endpoint) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).remove()


@pytest.fixture
def told(endpoint: Endpoint) -> Endpoint:
    outbox.record_test(endpoint)
    return endpoint


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_webhook_goes_with_what_it_was_being_told(told: Endpoint, deed: Deed) -> None:
    assert meet(lambda: deed(told), lambda: remove(told)) == []

    assert not Endpoint.objects.exists()
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("is_tested", [False, True])
def test_a_webhook_that_goes_is_told_nothing(told: Endpoint, user: User, is_tested: bool) -> None:
    deed = outbox.record_test if is_tested else end_a_job
    raised = meet(lambda: remove(told), lambda: deed(told))

    assert [type(error) for error in raised] == ([Endpoint.DoesNotExist] if is_tested else [])
    assert user.jobs.exists() is not is_tested
    assert not Delivery.objects.exists()
