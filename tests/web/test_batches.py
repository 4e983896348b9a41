from __future__ import annotations

import uuid

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from downloads.models import Batch, BatchStatus, Job
from tests.factories import BatchFactory, JobFactory, MediaFileFactory
from tests.vanishing import after_reading
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db
HX = {"HX-Request": "true"}


@pytest.fixture
def batch(user: User) -> Batch:
    return BatchFactory(owner=user, title="Lectures")


def add(batch: Batch, number: int, **fields: object) -> Job:
    return JobFactory(owner=batch.owner, batch=batch, playlist_index=number, **fields)


def address(batch: Batch, verb: str = "") -> str:
    return f"/batches/{batch.pk}/{verb}".rstrip("/")


def test_several_lines_are_a_batch_and_one_is_none(page: Client) -> None:
    form = {
        "quality": "best",
        "video_format": "mp4",
        "audio_format": "mp3",
        "audio_quality": "192",
        "priority": "normal",
    }
    form |= {"subtitle_format": "srt", "thumbnail_format": "jpg", "urls": "https://a.example/1\nhttps://a.example/2"}
    answer = page.post("/", form, follow=True)
    assert "2 downloads are in the queue, as one batch." in answer.text
    assert [job.batch for job in Job.objects.all()] == [Batch.objects.get()] * 2
    page.post("/", form | {"urls": "https://a.example/3"})
    assert Job.objects.filter(batch=None).count() == 1


def test_the_first_page_shows_what_is_under_way(page: Client, batch: Batch) -> None:
    add(batch, 1, running=True)
    assert address(batch) in page.get("/").text
    Batch.objects.update(status=BatchStatus.COMPLETED, finished_at=batch.created_at)
    assert address(batch) not in page.get("/").text


def test_lists_batches_page_by_page_in_a_few_queries(
    page: Client, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    made = [BatchFactory(owner=user, title=f"Batch {number:02d}") for number in range(30)]
    for each in made:
        add(each, 1)
    with django_assert_max_num_queries(8):
        first = page.get("/batches")
    assert "Batch 29" in first.text
    assert "Batch 04" not in first.text
    older = page.get("/batches", {"before": str(first.context["older"])})
    assert "Batch 04" in older.text
    assert older.context["older"] is None
    assert page.get("/batches", {"before": "nothing"}).status_code == 200
    assert "<html" not in page.get("/batches", headers=HX).text


def test_shows_a_batch_with_its_entries(
    page: Client, batch: Batch, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    file = MediaFileFactory(job=add(batch, 1, finished=True, title="First"), crc32=0)
    add(batch, 2, broken=True, title="Second")
    for number in range(3, 30):
        add(batch, number)
    with django_assert_max_num_queries(11):
        shown = page.get(address(batch)).text
    assert "1/29" in shown
    assert "1 failed" in shown
    assert "There is no such page or media" in shown
    assert str(file.pk) in shown
    for part in ("Save all as zip", "Try the failed again", "Cancel all"):
        assert part in shown
    assert "<html" not in page.get(address(batch), headers=HX).text


def test_a_long_batch_has_pages(page: Client, batch: Batch) -> None:
    Job.objects.bulk_create(
        Job(owner=batch.owner, batch=batch, playlist_index=number, url="http://a.example", host="a.example")
        for number in range(1, 251)
    )
    assert len(page.get(address(batch)).context["jobs"]) == 100
    last = page.get(address(batch), {"page": "3"})
    assert (last.context["jobs"][0].playlist_index, len(last.context["jobs"])) == (201, 50)
    for odd in ("0", "99", "-1", "x", "9" * 50, "²"):
        assert page.get(address(batch), {"page": odd}).status_code == 200


def test_a_list_that_is_being_read_is_looked_at_again_and_a_failure_is_told(page: Client, batch: Batch) -> None:
    Batch.objects.update(status=BatchStatus.EXPANDING, kind="playlist")
    shown = page.get(address(batch)).text
    assert "every 2s" in shown
    assert "Reading the list" in shown
    Batch.objects.update(
        status=BatchStatus.FAILED, finished_at=batch.created_at, error_code="private", error_message="It is private."
    )
    shown = page.get(address(batch)).text
    assert "It is private." in shown
    assert "Try the failed again" in shown


def test_cancels_and_retries_all(page: Client, batch: Batch) -> None:
    add(batch, 1)
    add(batch, 2, broken=True)
    answer = page.post(address(batch, "cancel"), {"next": address(batch)}, follow=True)
    assert answer.redirect_chain == [(address(batch), 302)]
    assert "Cancelled: 1." in answer.text
    assert "Queued again: 1." in page.post(address(batch, "retry"), follow=True).text
    assert sorted(Job.objects.values_list("status", flat=True)) == ["cancelled", "queued"]
    assert page.post(address(batch, "retry"), headers=HX).status_code == 204


def test_says_when_the_quota_has_no_room_for_another_try(page: Client, batch: Batch, settings: Settings) -> None:
    settings.MAX_JOBS_PER_DAY = 1
    add(batch, 1, broken=True)
    add(batch, 2, broken=True)
    assert "You can submit 1 jobs a day" in page.post(address(batch, "retry"), follow=True).text
    assert set(Job.objects.values_list("status", flat=True)) == {"failed"}


@pytest.mark.parametrize("verb", ["", "cancel", "retry"])
def test_somebody_elses_batch_is_not_there(other: User, batch: Batch, verb: str) -> None:
    client = signed_in(other)
    answer = client.post(address(batch, verb)) if verb else client.get(address(batch))
    assert answer.status_code == 404
    assert "Lectures" not in client.get("/batches").text


def test_unknown_batches_and_verbs_are_not_there(page: Client, batch: Batch) -> None:
    assert page.get(f"/batches/{uuid.uuid4()}").status_code == 404
    assert page.post(address(batch, "explode")).status_code == 404
    assert page.get(address(batch, "cancel")).status_code == 405


def test_files_in_a_bucket_are_packed_like_others(page: Client, batch: Batch, settings: Settings) -> None:
    MediaFileFactory(job=add(batch, 1, finished=True), crc32=0)
    settings.S3_BUCKET = "media"
    assert "Save all as zip" in page.get(address(batch)).text


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_batch_that_goes_meanwhile_is_not_there(page: Client, batch: Batch, verb: str) -> None:
    with after_reading("downloads_batch", batch):
        assert page.post(address(batch, verb)).status_code in {302, 404}
    assert page.post(address(batch, verb)).status_code == 404


def test_a_batch_that_goes_meanwhile_is_not_there_for_programs(page: Client, batch: Batch) -> None:
    with after_reading("downloads_batch", batch):
        assert page.delete(f"/api/v1/batch/{batch.pk}").status_code == 404
