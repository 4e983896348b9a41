from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from downloads import audit, storage, sweeping
from downloads.console.forecast import Forecast, forecast
from downloads.models import AuditRecord, Job, MediaFile, Sample
from tests.factories import JobFactory, MediaFileFactory, UserFactory
from tests.web.conftest import staff

pytestmark = pytest.mark.django_db
STORAGE, EVICT = "/admin/storage/", "/admin/storage/evict/"
NOW = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)


def stored(size_bytes: int, **job: Any) -> MediaFile:
    file = MediaFileFactory(job=JobFactory(finished=True, **job), size_bytes=size_bytes)
    path = storage.path_of(file.storage_key)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * size_bytes)
    return file


# --- Looking ----------------------------------------------------------------------------------------------------


def test_is_for_staff_who_may_see_files(page: Client) -> None:
    assert page.get(STORAGE).status_code in {302, 403}
    assert staff("view_job").get(STORAGE).status_code == 403
    assert staff("view_mediafile").get(STORAGE).status_code == 200


def test_says_that_nothing_is_there(site: Client) -> None:
    text = site.get(STORAGE).text
    for said in ("Nothing is stored.", "Nothing expires.", "No audit yet", "too little past"):
        assert said in text


def test_shows_what_is_used_by_whom_and_of_which_quota(site: Client, settings: Settings) -> None:
    settings.STORAGE_QUOTA_BYTES, settings.MAX_STORED_BYTES_PER_OWNER = 10**6, 5000
    big, small = UserFactory(username="big", max_stored_bytes=9000), UserFactory(username="small")
    for owner, size_bytes in ((big, 3000), (big, 3000), (small, 2000)):
        MediaFileFactory(job=JobFactory(finished=True, owner=owner), size_bytes=size_bytes)
    MediaFileFactory(size_bytes=10**5, deleted_at=timezone.now())
    answer = site.get(STORAGE)
    assert (answer.context["used"], answer.context["files"]) == (8000, 3)
    assert [(row.owner, row.bytes, row.files, row.percent, row.quota) for row in answer.context["owners"]] == [
        ("big", 6000, 2, 75.0, 9000),
        ("small", 2000, 1, 25.0, 5000),
    ]
    for said in ("8.0 kB", "of 1.0 MB", "992 kB", "Above 1.0 MB the oldest files go by themselves"):
        assert said in answer.text


def test_leads_to_quotas_whom_the_page_of_users_lets_in(site: Client) -> None:
    owner = MediaFileFactory().job.owner
    address = f"/admin/accounts/user/{owner.pk}/change/"
    clerk = staff("view_mediafile", "view_user", "change_user")
    for operator, may in ((site, True), (clerk, False)):
        assert (f'href="{address}"' in operator.get(STORAGE).text) is may
        assert (operator.get(address).status_code == 200) is may


def test_shows_ages_what_expires_next_and_what_is_largest(site: Client) -> None:
    now = timezone.now()
    for hours, size_bytes in ((0, 1), (2, 10), (48, 100), (24 * 10, 1000), (24 * 40, 10_000)):
        job = JobFactory(finished=True, expires_at=now + timedelta(hours=1 + hours))
        MediaFileFactory(job=job, size_bytes=size_bytes, created_at=now - timedelta(hours=hours))
    context = site.get(STORAGE).context
    assert [count for _, count in context["ages"]] == [1, 10, 100, 1000, 10_000]
    assert [count for _, count in context["expiring"]] == [1, 10, 100, 1000, 10_000]
    assert [file.size_bytes for file in context["largest"]] == [10_000, 1000, 100, 10, 1]


def test_has_no_disk_where_files_are_in_a_bucket(site: Client, settings: Settings) -> None:
    settings.S3_BUCKET = "media"
    text = site.get(STORAGE).text
    assert "Files are in a bucket." in text
    assert "No limit is set." in text


def test_costs_the_same_however_much_there_is(site: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    MediaFileFactory()
    site.get(STORAGE)
    cache.clear()
    with django_assert_num_queries(14):
        site.get(STORAGE)
    MediaFileFactory.create_batch(9)
    cache.clear()
    with django_assert_num_queries(14):
        site.get(STORAGE)


# --- When it fills ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "grown", "room", "found"),
    [
        (24, 100, 300, (100, 3.0)),
        (48, 100, 300, (50, 6.0)),
        (24, 0, 300, (0, None)),
        (24, -200, 300, (-200, None)),
        (24, 100, None, (100, None)),
        (24, 1, 10**9, (1, None)),
        (24, 100, 0, (100, 0.0)),
    ],
)
def test_it_fills_at_the_pace_of_the_last_days(
    hours: int, grown: int, room: int | None, found: tuple[int, float | None]
) -> None:
    samples = [Sample(taken_at=NOW - timedelta(hours=hours), stored_bytes=1000)]
    told = forecast(samples, NOW, 1000 + grown, room)
    days = None if told.full_at is None else (told.full_at - NOW) / timedelta(days=1)
    assert (told.bytes_a_day, days) == found


def test_no_pace_is_told_from_a_past_that_is_too_short() -> None:
    assert forecast([], NOW, 5, 5) == Forecast()
    assert forecast([Sample(taken_at=NOW - timedelta(minutes=50))], NOW, 5, 5) == Forecast()


def test_says_when_it_is_full(site: Client, settings: Settings) -> None:
    settings.STORAGE_QUOTA_BYTES = 4000
    MediaFileFactory(size_bytes=1000)
    Sample.objects.create(taken_at=timezone.now() - timedelta(days=1), stored_bytes=0)
    assert "it is full " in site.get(STORAGE).text


# --- What audits found ------------------------------------------------------------------------------------------


def test_audits_are_noted_and_what_they_found_stays_to_be_read(site: Client, data_dir: Path) -> None:
    for _ in range(2):
        AuditRecord.objects.record("node-1", audit.audit())
    assert AuditRecord.objects.count() == 1
    assert "0 files, bytes and rows agree" in site.get(STORAGE).text

    stray = data_dir / "files" / "stray"
    stray.write_bytes(b"x")
    MediaFileFactory()
    sweeping.tidy()
    text = site.get(STORAGE).text
    assert "bytes and rows do not agree" in text
    assert "orphans: 1" in text
    assert "missing: 1" in text
    assert "<code>stray</code>" in text
    assert not stray.exists()


def test_what_is_found_again_is_one_record_and_old_ones_go() -> None:
    MediaFileFactory()
    for _ in range(3):
        AuditRecord.objects.record("node-1", audit.audit())
    record = AuditRecord.objects.get()
    assert record.findings["missing"]["count"] == 1
    AuditRecord.objects.update(taken_at=timezone.now() - timedelta(days=31))
    AuditRecord.objects.purge()
    assert not AuditRecord.objects.exists()


# --- Evicting ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_evicts_the_oldest_but_never_what_is_kept(site: Client, operator: User) -> None:
    now = timezone.now()
    kept = stored(900_000, is_kept=True, expires_at=None, finished_at=now - timedelta(days=3))
    old = stored(900_000, finished_at=now - timedelta(days=2))
    middle = stored(900_000, finished_at=now - timedelta(days=1))
    new = stored(900_000)
    answer = site.post(EVICT, {"megabytes": 1, "is_sure": "on"}, follow=True)
    assert "Evicted: the files of 2 jobs, 1.8 MB." in answer.text
    left = {file.pk for file in MediaFile.objects.stored()}
    assert left == {kept.pk, new.pk}
    assert not storage.path_of(old.storage_key).exists()
    assert not storage.path_of(middle.storage_key).exists()
    assert Job.objects.count() == 4
    assert {entry.user for entry in LogEntry.objects.all()} == {operator}
    assert LogEntry.objects.count() == 2

    answer = site.post(EVICT, {"megabytes": 5, "is_sure": "on"}, follow=True)
    assert "Nothing else may go." in answer.text


@pytest.mark.parametrize(
    "form", [{}, {"megabytes": 1}, {"megabytes": 0, "is_sure": "on"}, {"megabytes": "9" * 30, "is_sure": "on"}]
)
def test_evicts_nothing_without_a_figure_and_a_tick(site: Client, form: dict[str, Any]) -> None:
    file = MediaFileFactory()
    assert "Say how many megabytes" in site.post(EVICT, form, follow=True).text
    assert MediaFile.objects.stored().get() == file


def test_who_may_only_look_can_evict_nothing() -> None:
    MediaFileFactory()
    viewer = staff("view_mediafile", "view_job")
    assert "Evict now" not in viewer.get(STORAGE).text
    assert viewer.post(EVICT, {"megabytes": 1, "is_sure": "on"}).status_code == 403
    assert MediaFile.objects.stored().count() == 1
