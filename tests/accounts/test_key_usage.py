from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.key_usage import charts_of
from accounts.models import ApiKey, DayUsage, Scope, User
from downloads.quotas import Meter, take
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db
KEYS = "/accounts/keys/"


@pytest.fixture
def key(user: User) -> ApiKey:
    return ApiKey.objects.issue(user, "phone", [Scope.WRITE])[0]


def use(key: ApiKey, *, jobs: int, arrived: int, days_ago: int = 0) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=days_ago)):
        DayUsage.objects.take_jobs(key.pk, jobs)
        DayUsage.objects.add_bytes(key.pk, arrived)


def test_every_job_and_byte_of_a_key_is_counted_also_without_a_limit(user: User, key: ApiKey) -> None:
    take(user, 3, key)
    meter = Meter(JobFactory(owner=user, api_key=key, running=True))
    meter.note(1500)
    meter.charge()
    day = DayUsage.objects.of_today(key.pk)
    assert (day.jobs, day.bytes) == (3, 1500)
    assert DayUsage.objects.of_today(user.pk).bytes == 1500


def test_a_job_by_the_pages_is_counted_for_its_owner_alone(user: User, key: ApiKey) -> None:
    take(user)
    meter = Meter(JobFactory(owner=user, running=True))
    meter.note(10)
    meter.charge()
    assert list(DayUsage.objects.values_list("subject", "bytes")) == [(user.pk, 10)]


def test_the_page_draws_and_says_what_a_key_did_on_each_day(page: Client, key: ApiKey) -> None:
    use(key, jobs=4, arrived=1_500_000)
    use(key, jobs=6, arrived=0, days_ago=29)
    use(key, jobs=50, arrived=0, days_ago=30)
    text = page.get(KEYS).text
    assert "10 in all, 6 at most" in text
    assert "1.5 MB in all, 1.5 MB at most" in text
    assert text.count('<rect class="ground"') == 60
    assert "<td>1.5 MB</td>" in text


def test_a_key_that_was_not_used_has_no_chart(page: Client, key: ApiKey) -> None:
    assert "Use in the last" not in page.get(KEYS).text


def test_nobody_sees_what_keys_of_others_did(page: Client, other: User) -> None:
    use(ApiKey.objects.issue(other, "theirs", [Scope.WRITE])[0], jobs=7, arrived=0)
    assert "7 in all" not in page.get(KEYS).text


def test_many_keys_take_one_query(key: ApiKey, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    use(key, jobs=1, arrived=1)
    with django_assert_num_queries(1):
        assert list(charts_of([key.pk, *(uuid.uuid4() for _ in range(50))])) == [key.pk]
