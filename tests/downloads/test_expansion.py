from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from accounts.principal import Principal
from downloads import batches, expansion, probing, publishing, retention, specs, sweeping, tasks, workers
from downloads.api.batch_requests import PlaylistRequestSerializer
from downloads.engine.errors import ErrorCode, JobError
from downloads.models import Batch, BatchStatus, Downloaded, Job, MediaFile, Probe, ProbeKind, Status
from tests.factories import JobFactory, MediaFileFactory, UserFactory

pytestmark = pytest.mark.django_db
URL = "https://videos.example.com/playlist/7"
WORKER = "node/1/1"


@pytest.fixture
def owner(settings: Settings) -> User:
    settings.STORAGE_RESERVE_BYTES = 0
    return UserFactory()


def asked(owner: User, **wanted: Any) -> Batch:
    request = PlaylistRequestSerializer(data={"url": URL, **wanted})
    request.is_valid(raise_exception=True)
    principal = Principal(user=owner, key=None, scopes=frozenset())
    return batches.submit(principal, request.wish(), request.options())


def entry(number: int, **changes: Any) -> dict[str, Any]:
    known = {"title": f"Video {number}", "duration": 60.0, "thumbnail": None, "uploader": None, "upload_date": None}
    url = f"https://videos.example.com/watch/{number}"
    fields = {"id": f"v{number}", "extractor": "Videos", "view_count": None, "url": url, "playlist_index": number}
    return known | fields | changes


def read(batch: Batch, *entries: dict[str, Any], is_truncated: bool = False) -> None:
    """As if a worker had looked at the list."""
    probe = Probe.objects.get(batches=batch)
    probe.start(WORKER)
    probe.complete({"title": "A list", "uploader": None, "items": list(entries), "truncated": is_truncated})


def reread(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def indices(batch: Batch) -> list[int | None]:
    return list(batch.jobs.order_by("id").values_list("playlist_index", flat=True))


# --- Reading ----------------------------------------------------------------------------------------------------


def test_a_list_is_asked_for_and_answered_before_it_is_read(owner: User) -> None:
    batch = asked(owner)
    assert (batch.status, batch.jobs.count(), batch.probe is not None) == (BatchStatus.EXPANDING, 0, True)
    assert OrmQ.objects.filter(key="probe").exists()
    expansion.expand_waiting()
    assert reread(batch).status == BatchStatus.EXPANDING


def test_each_entry_becomes_a_job_in_the_order_of_the_list(owner: User) -> None:
    batch = asked(owner, quality="720p", tags=["a"], priority="high", ignore_errors=False)
    read(batch, *map(entry, (1, 2, 3)))
    tasks.run_probes()
    batch = reread(batch)
    assert (batch.status, batch.title, batch.expanded) == (BatchStatus.RUNNING, "A list", 3)
    first, *_ = batch.jobs.order_by("id")
    assert indices(batch) == [1, 2, 3]
    assert (first.url, first.host, first.title) == (entry(1)["url"], "videos.example.com", "Video 1")
    assert (first.options["quality"], first.tags, first.priority) == ("720p", ["a"], 10)
    assert first.options["path_template"] == "playlists/{playlist}/{playlist_index:03d}-{title}.{ext}"
    assert not {"url", "items", "ignore_errors", "skip_downloaded"} & first.options.keys()
    assert [event.kind for event in first.events.all()] == ["queued"]
    assert OrmQ.objects.filter(key="download").count() == 3


def test_a_job_knows_its_place_in_the_list(owner: User) -> None:
    batch = asked(owner)
    read(batch, entry(1), entry(2, url=URL))
    expansion.expand_waiting()
    first, second = (specs.spec_of(job) for job in Job.objects.order_by("playlist_index"))
    assert (first.playlist, first.playlist_index, first.playlist_item) == ("A list", 1, None)
    assert (second.playlist_index, second.playlist_item) == (2, 2), "it has no page of its own"


def test_only_the_wanted_come_and_backwards_if_so_wanted(owner: User) -> None:
    batch = asked(owner, items="2-4,9", reverse_playlist=True)
    read(batch, *map(entry, range(1, 6)))
    expansion.expand_waiting()
    assert indices(batch) == [4, 3, 2]


def test_an_entry_whose_address_cannot_be_used_is_a_job_that_has_failed(owner: User, settings: Settings) -> None:
    settings.BLOCKED_DOMAINS = ["bad.example"]
    batch = asked(owner)
    read(batch, entry(1), entry(2, url="http://bad.example/x"), entry(3, url="http://user@a.example/"))
    expansion.expand_waiting()
    assert [(job.status, job.error_code) for job in batch.jobs.in_order()] == [
        ("queued", ""),
        ("failed", "domain_not_allowed"),
        ("failed", "unsupported_url"),
    ]


def test_a_list_that_cannot_be_read_fails_the_batch_and_a_retry_reads_it_again(owner: User) -> None:
    batch = asked(owner)
    probe = Probe.objects.get()
    probe.start(WORKER)
    probe.fail(JobError(ErrorCode.PRIVATE, "The list is private"))
    expansion.expand_waiting()
    batch = reread(batch)
    assert (batch.status, batch.error_code, batch.error_message) == ("failed", "private", "The list is private")
    assert [event.kind for event in batch.events.all()] == ["created", "completed"]

    Probe.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    batches.retry(batch)
    expansion.expand_waiting()
    read(batch, entry(1))
    expansion.expand_waiting()
    assert (reread(batch).status, reread(batch).error_code, indices(batch)) == (BatchStatus.RUNNING, "", [1])


@pytest.mark.parametrize(
    ("wanted", "is_truncated", "code"),
    [({}, True, "playlist_too_large"), ({"items": "7-9"}, False, "not_found")],
)
def test_what_cannot_be_chosen_fails_the_batch(
    owner: User, wanted: dict[str, Any], is_truncated: bool, code: str
) -> None:
    batch = asked(owner, **wanted)
    read(batch, entry(1), is_truncated=is_truncated)
    expansion.expand_waiting()
    assert (reread(batch).status, reread(batch).error_code) == ("failed", code)


def test_an_empty_list_has_completed(owner: User) -> None:
    batch = asked(owner)
    read(batch)
    expansion.expand_waiting()
    assert reread(batch).status == BatchStatus.COMPLETED


# --- In the middle ----------------------------------------------------------------------------------------------


def test_whoever_dies_in_the_middle_neither_doubles_nor_loses_entries(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expansion, "AT_ONCE", 3)
    batch = asked(owner)
    read(batch, *map(entry, range(1, 11)))
    deaths = iter([False, True, False, True, False, False, False])

    def die(point: str) -> None:
        if point.startswith("expand.") and next(deaths, False):
            raise KeyboardInterrupt

    monkeypatch.setattr("downloads.crash_points.reach", die)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            expansion.expand_waiting()
    expansion.expand_waiting()
    assert indices(batch) == list(range(1, 11))
    assert reread(batch).status == BatchStatus.RUNNING


@pytest.mark.django_db(transaction=True)
def test_two_that_expand_at_once_make_each_job_once(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "AT_ONCE", 2)
    batch = asked(owner)
    read(batch, *map(entry, range(1, 21)))
    barrier = threading.Barrier(4)

    def race() -> None:
        barrier.wait()
        try:
            expansion.expand_waiting()
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expansion.expand_waiting()
    assert sorted(filter(None, indices(batch))) == list(range(1, 21))
    assert reread(batch).status == BatchStatus.RUNNING


def test_a_cancelled_batch_gets_no_more_jobs(owner: User) -> None:
    batch = asked(owner)
    read(batch, entry(1))
    stale = Batch.objects.select_related("probe").get()
    batches.cancel(batch)
    with pytest.raises(Exception, match="cannot be changed"):
        expansion.expand(stale)
    assert (reread(batch).status, batch.jobs.count()) == (BatchStatus.CANCELLED, 0)


def test_the_list_of_a_cancelled_batch_is_read_on_only_for_others(owner: User) -> None:
    batches.cancel(asked(owner))
    assert not Probe.objects.exists()
    first, second = asked(owner), asked(owner)
    assert first.probe == second.probe
    batches.cancel(first)
    batches.cancel(first)
    probe = Probe.objects.get()
    assert (reread(first).probe, reread(second).probe) == (None, probe)
    shown = probing.ask(owner, ProbeKind.LIST, second.url)
    batches.cancel(second)
    assert Probe.objects.get() == shown == probe


def test_a_full_queue_lets_the_rest_wait(owner: User, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "AT_ONCE", 2)
    settings.MAX_QUEUED_PER_OWNER = 2
    batch = asked(owner)
    read(batch, *map(entry, range(1, 6)))
    expansion.expand_waiting()
    assert (indices(batch), reread(batch).status) == ([1, 2], BatchStatus.EXPANDING)
    for job in batch.jobs.all():
        job.cancel()
    assert reread(batch).status == BatchStatus.EXPANDING, "though none of its jobs is left to do"
    expansion.expand_waiting()
    assert indices(batch) == [1, 2, 3, 4]


def test_a_day_of_fewer_jobs_than_a_step_takes_what_it_can(owner: User, settings: Settings) -> None:
    settings.MAX_JOBS_PER_DAY = 3
    batch = asked(owner)
    read(batch, *map(entry, range(1, 6)))
    expansion.expand_waiting()
    assert (indices(batch), reread(batch).status) == ([1, 2, 3], BatchStatus.EXPANDING)


def test_a_node_that_stops_leaves_the_rest_to_others(owner: User) -> None:
    batch = asked(owner)
    read(batch, entry(1))
    workers.start_draining()
    expansion.expand_waiting()
    assert (batch.jobs.count(), reread(batch).status) == (0, BatchStatus.EXPANDING)


def test_a_list_that_is_needed_is_not_purged_and_a_lost_one_is_read_again(owner: User) -> None:
    batch = asked(owner)
    read(batch, entry(1))
    Probe.objects.update(expires_at=timezone.now() - timedelta(days=1))
    probing.purge()
    assert Probe.objects.exists()
    OrmQ.objects.all().delete()
    sweeping.look_after_batches()
    assert OrmQ.objects.filter(key="probe").count() == 1
    Probe.objects.all().delete()
    expansion.expand_waiting()
    assert reread(batch).probe is not None


# --- What has been had before -----------------------------------------------------------------------------------


def publish(job: Job) -> None:
    job.start(WORKER)
    row = MediaFileFactory.build_batch(1, job=job)
    publishing.commit(job, row, {"metadata": {"extractor_key": "Videos", "id": "v2"}})


def test_what_was_downloaded_before_is_left_out(owner: User) -> None:
    publish(JobFactory(owner=owner, url="https://elsewhere.example/2"))
    JobFactory(owner=owner, url=entry(1)["url"], finished=True)
    batch = asked(owner)
    read(batch, *map(entry, (1, 2, 3)))
    expansion.expand_waiting()
    assert (indices(batch), reread(batch).skipped) == ([1, 3], 1)


def test_all_that_was_asked_for_may_be_left_out(owner: User) -> None:
    publish(JobFactory(owner=owner, url=entry(1)["url"]))
    batch = asked(owner, items="1")
    read(batch, entry(1, extractor=None, id=None))
    expansion.expand_waiting()
    assert (reread(batch).status, reread(batch).skipped, indices(batch)) == (BatchStatus.COMPLETED, 1, [])


def test_without_the_wish_or_for_somebody_else_nothing_is_left_out(owner: User) -> None:
    publish(JobFactory(owner=owner, url=entry(2)["url"]))
    for user, wanted in ((owner, {"skip_downloaded": False}), (UserFactory(), {})):
        batch = asked(user, **wanted)
        read(batch, entry(2))
        expansion.expand_waiting()
        assert indices(batch) == [2]


def test_a_job_without_bytes_is_not_remembered(owner: User) -> None:
    job = JobFactory(owner=owner)
    job.start(WORKER)
    publishing.commit(job, [], {})
    assert not Downloaded.objects.exists()


def test_of_no_entries_none_is_known_and_nobody_is_asked(
    owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert Downloaded.objects.known(owner.pk, []) == set()


def test_it_is_remembered_when_the_files_expire_and_forgotten_with_the_job_that_is_deleted(owner: User) -> None:
    job = JobFactory(owner=owner)
    publish(job)
    retention.delete_files(job, "expired")
    assert Downloaded.objects.count() == 2
    Job.objects.update(finished_at=timezone.now() - timedelta(days=400))
    MediaFile.objects.update(deleted_at=timezone.now())
    retention.forget_finished()
    assert (Job.objects.count(), Downloaded.objects.count()) == (0, 2)

    again = JobFactory(owner=owner, url=job.url)
    publish(again)
    assert Downloaded.objects.count() == 2
    retention.delete_jobs([Job.objects.get()])
    assert Downloaded.objects.count() == 0


def test_a_batch_goes_with_its_last_job(owner: User) -> None:
    batch = asked(owner)
    read(batch, entry(1), entry(2))
    expansion.expand_waiting()
    for job in batch.jobs.all():
        job.cancel()
    first, second = Job.objects.all()
    retention.delete_jobs([first])
    assert Batch.objects.exists()
    retention.delete_jobs([second])
    assert not Batch.objects.exists()
    assert first.status == Status.CANCELLED
