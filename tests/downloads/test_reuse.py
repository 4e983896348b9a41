"""One fetch for the same requests of one owner: who waits for whom, what is shared, and what is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.principal import Principal
from downloads import audit, backup, claims, cookies, publishing, quotas, retention, reuse, runner, storage, submission
from downloads.api.requests import DownloadRequestSerializer
from downloads.models import Job, JobLog, MediaFile, Status
from tests.factories import JobFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

URL = "http://media.example/clip.mp4"
WORKER = "node/1/1"
CONTENT = b"media" * 1000
CHOSEN: dict[str, Any] = {"reuse": True}


@pytest.fixture(autouse=True)
def no_engine(data_dir: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would fetch is handed back."""
    settings.DOWNLOAD_REUSE_SECONDS = 300
    settings.ENGINE_SOCKET = data_dir / "nobody"
    monkeypatch.setattr(runner, "ENGINE_WAIT_SECONDS", 0)


@pytest.fixture
def user() -> User:
    return UserFactory()


def submit(owner: User, **wanted: Any) -> Job:
    serializer = DownloadRequestSerializer(data={"url": URL, **wanted})
    serializer.is_valid(raise_exception=True)
    return submission.submit(Principal(user=owner, key=None, scopes=frozenset()), serializer.validated_data)


def run(job: Job) -> Job:
    """One attempt, as a slot makes it."""
    claimed = claims.claim(WORKER)
    assert claimed == job
    runner.run(claimed)
    return Job.objects.get(pk=job.pk)


@pytest.fixture
def fetched(user: User) -> Callable[..., Job]:
    """A job that has fetched its files."""

    def fetch(**wanted: Any) -> Job:
        job = submit(user, **wanted)
        claimed = claims.claim(WORKER)
        assert claimed == job
        key = storage.key_of(job.pk, 1, job.pk, "mp4")
        storage.path_of(key).parent.mkdir(parents=True)
        storage.path_of(key).write_bytes(CONTENT)
        described = {"ext": "mp4", "kind": "media", "is_main": True, "size_bytes": len(CONTENT), "sha256": "0" * 64}
        rows = [publishing.row(job, described, {"title": "A clip"})]
        rows[0].storage_key = key
        claimed.complete(rows, title="A clip", metadata={"id": "42", "title": "A clip"}, ytdlp_version="2026.10.26")
        return Job.objects.get(pk=job.pk)

    return fetch


def inode(job: Job) -> int:
    return storage.path_of(MediaFile.objects.get(job=job).storage_key).stat().st_ino


# --- What is the same -------------------------------------------------------------------------------------------


def test_the_same_request_has_the_same_fingerprint(user: User) -> None:
    told = {"tags": ["a"], "retention_hours": 2, "path_template": "{id}.{ext}", "priority": "high", "timeout_sec": 60}
    assert submit(user).fingerprint == submit(user, **told).fingerprint is not None


@pytest.mark.parametrize(
    "other",
    [
        {"url": f"{URL}?2"},
        {"quality": "720p"},
        {"audio_only": True},
        {"video_format": "mkv"},
        {"write_thumbnail": True},
        {"subtitle_languages": ["de"]},
        {"clip_end_sec": 3},
        {"sponsorblock_remove": ["sponsor"]},
    ],
    ids=str,
)
def test_another_choice_is_another_fetch(user: User, other: dict[str, Any]) -> None:
    assert submit(user).fingerprint != submit(user, **other).fingerprint


def test_owners_and_cookies_are_never_mixed(user: User) -> None:
    text = "# Netscape HTTP Cookie File\n.media.example\tTRUE\t/\tTRUE\t4102444800\tsession\tx\n"
    jars = [cookies.store(user, text) for _ in range(2)]
    jobs = [submit(user), submit(UserFactory()), *(submit(user, cookies_id=str(jar.pk)) for jar in jars)]
    assert len({job.fingerprint for job in jobs}) == len(jobs)


def test_whoever_wants_a_fetch_of_their_own_has_one(user: User, settings: Settings) -> None:
    assert submit(user, reuse=False).fingerprint is None
    settings.DOWNLOAD_REUSE_SECONDS = 0
    assert submit(user).fingerprint is None


# --- Who waits --------------------------------------------------------------------------------------------------


def test_the_same_is_not_fetched_twice_at_a_time(user: User) -> None:
    first, second = submit(user), submit(user)
    stranger, other, own = submit(UserFactory()), submit(user, quality="720p"), submit(user, reuse=False)
    assert claims.claim(WORKER) == first
    assert {claims.claim(WORKER) for _ in range(4)} == {stranger, other, own, None}
    second.refresh_from_db()
    assert second.status == Status.QUEUED


@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_who_waits_fetches_when_the_first_does_not(user: User, verb: str) -> None:
    first, second = submit(user), submit(user)
    claims.claim(WORKER)
    getattr(first, verb)()
    assert claims.claim(WORKER) == second


def test_who_waits_can_be_cancelled_and_asked_for_again(user: User, fetched: Callable[..., Job]) -> None:
    second = submit(user, priority="low")
    second.cancel()
    fetched()
    second.retry()
    assert run(second).status == Status.COMPLETED


# --- What is shared ---------------------------------------------------------------------------------------------


def test_who_comes_later_has_the_same_bytes_as_files_of_its_own(user: User, fetched: Callable[..., Job]) -> None:
    first = fetched()
    second = run(submit(user, path_template="{id} of mine.{ext}", retention_hours=5, tags=["mine"]))
    assert (second.status, second.title, second.attempt) == (Status.COMPLETED, "A clip", 1)
    assert (second.metadata, second.ytdlp_version) == (first.metadata, "2026.10.26")
    assert second.downloaded_bytes == len(CONTENT)
    file = MediaFile.objects.get(job=second)
    assert (file.filename, file.is_main, file.size_bytes) == ("42 of mine.mp4", True, len(CONTENT))
    assert file.storage_key.startswith(f"{second.pk}/1/")
    assert inode(first) == inode(second)
    assert second.expires_at is not None
    assert first.expires_at is not None
    assert timedelta(hours=3.9) < second.expires_at - first.expires_at < timedelta(hours=4.1)
    assert str(first.pk) in JobLog.objects.get(job=second).message
    assert audit.audit().is_clean


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("how", ["expires", "is deleted"])
def test_each_goes_by_itself_and_the_bytes_with_the_last(
    user: User, fetched: Callable[..., Job], which: int, how: str
) -> None:
    jobs = [fetched(), run(submit(user))]
    going, staying = jobs[which], jobs[1 - which]
    place = storage.path_of(MediaFile.objects.get(job=staying).storage_key)
    if how == "expires":
        Job.objects.filter(pk=going.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        retention.expire_due()
    else:
        retention.delete_jobs([going])
    assert place.read_bytes() == CONTENT
    assert place.stat().st_nlink == 1
    assert audit.audit().is_clean
    retention.delete_jobs([staying])
    assert list(storage.stored_sizes()) == []


def test_what_is_kept_is_kept_by_itself(user: User, fetched: Callable[..., Job]) -> None:
    first = fetched()
    second = run(submit(user))
    second.keep()
    Job.objects.filter(pk=first.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    retention.expire_due()
    assert [file.job for file in MediaFile.objects.stored()] == [second]


def test_nothing_is_taken_from_what_was_taken(user: User, fetched: Callable[..., Job]) -> None:
    first = fetched()
    second = run(submit(user))
    assert second.fingerprint is None
    Job.objects.filter(pk=first.pk).update(finished_at=timezone.now() - timedelta(seconds=301))
    assert run(submit(user)).status == Status.QUEUED, "it is as old as the first"


def test_it_costs_no_bytes_of_the_day_and_counts_as_stored(user: User, fetched: Callable[..., Job]) -> None:
    fetched()
    run(submit(user))
    usage = quotas.usage_of(user)
    assert (usage.bytes_today, usage.stored_bytes) == (0, 2 * len(CONTENT))


def test_a_full_quota_refuses_it_and_leaves_nothing_behind(user: User, fetched: Callable[..., Job]) -> None:
    fetched()
    User.objects.filter(pk=user.pk).update(max_stored_bytes=len(CONTENT) + 1)
    second = run(submit(User.objects.get()))
    assert (second.status, second.error_code) == (Status.FAILED, "quota_exceeded")
    assert len(list(storage.stored_sizes())) == 1
    assert audit.audit().is_clean


def test_a_backup_holds_both(user: User, fetched: Callable[..., Job], data_dir: Path, tmp_path: Path) -> None:
    jobs = [fetched(), run(submit(user))]
    place = backup.Place(data_dir=data_dir, database=None)
    archive = tmp_path / "backup.tar"
    backup.write(archive, place, version="1", with_files=True)
    shutil.rmtree(place.files)
    backup.restore(archive, place, version="1")
    assert inode(jobs[0]) != inode(jobs[1])
    assert audit.audit().is_clean


# --- What is not taken ------------------------------------------------------------------------------------------


def delete_files(job: Job) -> None:
    retention.delete_files(job, "expired")


def lose_files(job: Job) -> None:
    storage.path_of(MediaFile.objects.get(job=job).storage_key).unlink()


def damage_files(job: Job) -> None:
    storage.path_of(MediaFile.objects.get(job=job).storage_key).write_bytes(b"?")


def grow_old(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(seconds=301))


@pytest.mark.parametrize("spoil", [delete_files, lose_files, damage_files, grow_old])
def test_what_cannot_be_had_any_more_is_fetched(
    user: User, fetched: Callable[..., Job], spoil: Callable[[Job], None]
) -> None:
    spoil(fetched())
    second = run(submit(user))
    assert (second.status, second.fingerprint is not None) == (Status.QUEUED, True)
    assert list(storage.path_of("").rglob(f"{second.pk}/*/*")) == []


def test_what_is_larger_than_allowed_is_not_taken(user: User, fetched: Callable[..., Job]) -> None:
    fetched()
    assert run(submit(user, max_size_bytes=len(CONTENT) - 1)).status == Status.QUEUED


def test_cookies_that_have_gone_fail_it_as_ever(user: User, fetched: Callable[..., Job]) -> None:
    text = "# Netscape HTTP Cookie File\n.media.example\tTRUE\t/\tTRUE\t4102444800\tsession\tx\n"
    jar = cookies.store(user, text)
    fetched(cookies_id=str(jar.pk))
    second = submit(user, cookies_id=str(jar.pk))
    jar.delete()
    second = run(second)
    assert (second.status, second.error_code) == (Status.FAILED, "cookies_gone")


def test_a_job_of_before_has_no_fingerprint(user: User, fetched: Callable[..., Job]) -> None:
    fetched()
    assert reuse.source_of(JobFactory(owner=user, url=URL, options=CHOSEN)) is None
