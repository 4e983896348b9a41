from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from downloads.models import Job, Sample
from downloads.models.sample import slot_of
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)


def test_a_slot_of_time_has_one_sample_whoever_takes_it() -> None:
    assert slot_of(NOON + timedelta(minutes=4, seconds=59)) == NOON
    assert Sample.objects.is_due(NOON)
    for minutes in (0, 4, 5):
        Sample.objects.take(NOON + timedelta(minutes=minutes), stored_bytes=minutes)
    assert not Sample.objects.is_due(NOON)
    assert list(Sample.objects.values_list("stored_bytes", flat=True)) == [0, 5]


def test_totals_outlive_the_jobs() -> None:
    for _ in range(2):
        JobFactory(running=True).complete(downloaded_bytes=500)
    JobFactory().cancel()
    Job.objects.all().delete()
    now = Sample.now()
    assert (now.completed, now.failed, now.cancelled, now.downloaded_bytes) == (2, 0, 1, 1000)
    assert not Sample.objects.exists()


def test_old_samples_are_thinned_and_the_oldest_go() -> None:
    ages = [timedelta(days=91), timedelta(days=3), timedelta(days=3) - timedelta(minutes=5), timedelta(minutes=5)]
    for age in ages:
        Sample.objects.take(NOON - age)
    Sample.objects.purge(NOON)
    assert [NOON - sample.taken_at for sample in Sample.objects.all()] == [ages[1], ages[3]]


def test_what_is_since_a_moment_begins_with_the_last_before() -> None:
    for minutes in (0, 10, 20):
        Sample.objects.take(NOON + timedelta(minutes=minutes))
    found = Sample.objects.since(NOON + timedelta(minutes=12))
    assert [sample.taken_at.minute for sample in found] == [10, 20]
    assert [sample.taken_at.minute for sample in Sample.objects.since(NOON - timedelta(days=1))] == [0, 10, 20]
