from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from accounts.models import DayUsage
from accounts.models.usage import KEPT_DAYS, day_ends_at
from tests.accounts.racing import race_processes

pytestmark = [pytest.mark.promise("S12"), pytest.mark.django_db]
SUBJECT = uuid.uuid4()


def test_jobs_are_counted_all_or_none() -> None:
    assert DayUsage.objects.take_jobs(SUBJECT, 3, most_jobs=5)
    assert not DayUsage.objects.take_jobs(SUBJECT, 3, most_jobs=5)
    assert DayUsage.objects.take_jobs(SUBJECT, 2, most_jobs=5)
    assert DayUsage.objects.of_today(SUBJECT).jobs == 5


def test_more_than_the_limit_is_refused_on_a_fresh_day_too() -> None:
    assert not DayUsage.objects.take_jobs(SUBJECT, 6, most_jobs=5)
    assert not DayUsage.objects.exists()


def test_no_limit_counts_as_well() -> None:
    assert DayUsage.objects.take_jobs(SUBJECT, 1000)
    assert DayUsage.objects.of_today(SUBJECT).jobs == 1000


def test_no_job_is_taken_when_the_bytes_are_used_up() -> None:
    assert DayUsage.objects.add_bytes(SUBJECT, 60) == 60
    assert DayUsage.objects.take_jobs(SUBJECT, 1, most_bytes=100)
    assert DayUsage.objects.add_bytes(SUBJECT, 40) == 100
    assert not DayUsage.objects.take_jobs(SUBJECT, 1, most_bytes=100)
    assert DayUsage.objects.take_jobs(SUBJECT, 1, most_bytes=101)


def test_subjects_have_days_of_their_own() -> None:
    DayUsage.objects.take_jobs(SUBJECT, 5, most_jobs=5)
    assert DayUsage.objects.take_jobs(uuid.uuid4(), 5, most_jobs=5)


def test_jobs_are_counted_for_another_subject_at_once() -> None:
    key = uuid.uuid4()
    for _ in range(2):
        assert DayUsage.objects.take_jobs(SUBJECT, 2, most_jobs=4, also=key)
    assert not DayUsage.objects.take_jobs(SUBJECT, 1, most_jobs=4, also=key)
    assert not DayUsage.objects.take_jobs(uuid.uuid4(), 5, most_jobs=4, also=uuid.uuid4())
    assert DayUsage.objects.of_today(SUBJECT).jobs == 4
    assert DayUsage.objects.of_today(key).jobs >= 4


def test_bytes_are_counted_for_another_subject_at_once() -> None:
    key = uuid.uuid4()
    DayUsage.objects.add_bytes(key, 1000)
    assert DayUsage.objects.add_bytes(SUBJECT, 30, also=key) == 30
    assert DayUsage.objects.add_bytes(SUBJECT, 12, also=key) == 42
    assert DayUsage.objects.of_today(key).bytes == 1042


def test_a_new_day_begins_at_midnight_in_utc_and_old_days_are_forgotten() -> None:
    evening = datetime(2030, 1, 31, 23, 59, 59, tzinfo=UTC)
    with time_machine.travel(evening, tick=False):
        assert DayUsage.objects.take_jobs(SUBJECT, 1, most_jobs=1)
        assert not DayUsage.objects.take_jobs(SUBJECT, 1, most_jobs=1)
        assert day_ends_at() == evening + timedelta(seconds=1)
    with time_machine.travel(evening + timedelta(seconds=1), tick=False):
        assert DayUsage.objects.of_today(SUBJECT).jobs == 0
        assert DayUsage.objects.take_jobs(SUBJECT, 1, most_jobs=1)
    with time_machine.travel(evening + timedelta(days=KEPT_DAYS, seconds=1), tick=False):
        assert DayUsage.objects.purge() == 1
    assert DayUsage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_count_is_exact_over_threads_and_processes() -> None:
    taken = race_processes("jobs", str(SUBJECT))
    assert (len(taken), sum(taken)) == (200, 20)
    assert DayUsage.objects.of_today(SUBJECT).jobs == 20
