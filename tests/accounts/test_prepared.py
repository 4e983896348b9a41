"""SQL that is written once, beside what Django would have done."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.forms.models import model_to_dict

from accounts.models import prepared
from downloads.models import Job
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db


def new_job(**fields: Any) -> Job:
    return Job(owner=UserFactory(), url="http://media.example/a", host="media.example", **fields)


def test_a_row_that_is_inserted_is_the_row_that_is_read() -> None:
    job = new_job(options={"quality": "best"}, tags=["a"], priority=10, playlist_index=3)
    prepared.insert(job)
    stored = Job.objects.get(pk=job.pk)

    columns = [field.attname for field in Job._meta.concrete_fields]
    assert {name: getattr(job, name) for name in columns} == {name: getattr(stored, name) for name in columns}


def test_a_query_with_more_parameters_than_its_one_is_refused() -> None:
    query = prepared.Prepared(lambda url: Job.objects.filter(url=url, host="media.example"))
    with pytest.raises(ValueError, match="has 2"):
        query.fetch("http://media.example/a")


def test_it_differs_from_one_that_django_saved_in_nothing_but_whose_it_is_and_when() -> None:
    first, second = new_job(), JobFactory()
    prepared.insert(first)
    first.refresh_from_db()
    second.refresh_from_db()

    own = ["owner", "url", "eligible_at"]
    assert model_to_dict(first, exclude=own) == model_to_dict(second, exclude=own)


def test_what_the_database_fills_is_a_moment_with_a_zone() -> None:
    job = new_job()
    prepared.insert(job)

    assert job.created_at.tzinfo is not None
    assert abs((datetime.now(UTC) - job.created_at).total_seconds()) < 60
    assert job.created_at == job.updated_at == job.eligible_at


def test_a_row_that_is_inserted_is_no_new_one() -> None:
    """A save afterwards changes it, where one of a row that counts as new would fail."""
    job = new_job()
    prepared.insert(job)
    job.title = "Changed"
    job.save()

    assert Job.objects.get(pk=job.pk).title == "Changed"


def test_a_value_for_what_the_database_fills_is_refused_and_not_lost() -> None:
    job = new_job(eligible_at=datetime(2030, 1, 1, tzinfo=UTC))

    with pytest.raises(ValueError, match="eligible_at"):
        prepared.insert(job)
    assert not Job.objects.filter(pk=job.pk).exists()


def test_a_second_row_of_the_same_id_is_refused() -> None:
    job_id = uuid.uuid4()
    prepared.insert(new_job(pk=job_id))
    with pytest.raises(IntegrityError), transaction.atomic():
        prepared.insert(new_job(pk=job_id))
