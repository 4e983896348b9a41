from __future__ import annotations

import stat
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from downloads import cookies, probing, runner, sweeping, vault, workers
from downloads.engine.errors import JobError
from downloads.engine.spec import JobSpec
from downloads.engine.supervisor import Attempt, ForkServerUnavailable
from downloads.models import CookieJar, Job, Probe, ProbeKind, ProbeStatus, Status
from tests.factories import JobFactory, UserFactory

pytestmark = [pytest.mark.promise("S9"), pytest.mark.django_db]
SECRET = "zq7lentvalue"
TEXT = f".site.example\tTRUE\t/\tTRUE\t4102444800\tsession\t{SECRET}\n"


@pytest.fixture
def owner() -> User:
    return UserFactory()


@pytest.fixture
def jar(owner: User) -> CookieJar:
    return cookies.store(owner, TEXT)


def lent_files(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "run" / "cookies").glob("*"))


# --- Keeping ----------------------------------------------------------------------------------------------------


def test_the_row_shows_nothing_of_them(jar: CookieJar) -> None:
    row = str(CookieJar.objects.values().get())
    assert SECRET not in row
    assert "session" not in row
    assert SECRET in jar.text()


def test_knows_which_hosts_they_are_for(jar: CookieJar) -> None:
    hosts = ("site.example", "www.site.example", "mysite.example", "example")
    assert [host for host in hosts if jar.is_for(host)] == ["site.example", "www.site.example"]


def test_another_key_opens_none(jar: CookieJar, settings: Settings) -> None:
    settings.COOKIE_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(vault.UndecryptableError):
        jar.text()


def test_rotation_makes_the_old_key_needless(jar: CookieJar, settings: Settings, capsys: Any) -> None:
    new = Fernet.generate_key().decode()
    settings.COOKIE_KEYS = [new, *settings.COOKIE_KEYS]
    call_command("rotate_cookies")
    settings.COOKIE_KEYS = [new]
    assert SECRET in CookieJar.objects.get().text()
    assert "1 encrypted" in capsys.readouterr().out


def test_rotation_names_what_no_key_opens_and_leaves_it(jar: CookieJar, settings: Settings) -> None:
    settings.COOKIE_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match=str(jar.pk)):
        call_command("rotate_cookies")
    assert CookieJar.objects.get().ciphertext == jar.ciphertext


def test_rotation_does_not_bring_back_what_was_deleted(jar: CookieJar) -> None:
    kept = CookieJar.objects.get()
    jar.delete()
    assert not kept.rotate()
    assert not CookieJar.objects.exists()


# --- Lending ----------------------------------------------------------------------------------------------------


def test_a_lent_file_is_this_users_alone_and_goes_with_the_attempt(jar: CookieJar, data_dir: Path) -> None:
    with cookies.lent(jar, uuid.uuid4()) as path:
        facts = Path(path).stat()
        assert stat.S_IMODE(facts.st_mode) == 0o600
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
        assert SECRET in Path(path).read_text()
        assert data_dir / "files" not in Path(path).parents
    assert lent_files(data_dir) == []
    jar.refresh_from_db()
    assert jar.last_used_at is not None
    assert jar.last_success_at is None


def test_a_lent_file_goes_when_the_attempt_fails(jar: CookieJar, data_dir: Path) -> None:
    with pytest.raises(RuntimeError), cookies.lent(jar, uuid.uuid4()):
        raise RuntimeError
    assert lent_files(data_dir) == []


def test_what_a_killed_worker_leaves_is_swept(jar: CookieJar, owner: User, data_dir: Path) -> None:
    job = JobFactory(owner=owner, running=True)
    probe = Probe.objects.create(owner=owner, kind=ProbeKind.MEDIA, url="http://a.example/", fingerprint="0" * 64)
    probe.start("node/1/1")
    for lease in (job.lease, probe.lease, uuid.uuid4()):
        assert lease is not None
        cookies._write(cookies._path(lease), TEXT)
    sweeping.remove_lent_cookies()
    assert {path.stem for path in lent_files(data_dir)} == {str(job.lease), str(probe.lease)}
    Job.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    Probe.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    sweeping.sweep()
    assert lent_files(data_dir) == []


@pytest.mark.parametrize("why", ["deleted", "expired", "another's", "undecryptable"])
def test_a_job_whose_cookies_are_gone_fails_when_it_starts(
    jar: CookieJar, owner: User, settings: Settings, data_dir: Path, why: str
) -> None:
    job = JobFactory(owner=owner, running=True, options={"cookies_id": str(jar.pk)})
    if why == "deleted":
        jar.delete()
    elif why == "expired":
        CookieJar.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif why == "another's":
        CookieJar.objects.update(owner=UserFactory())
    else:
        settings.COOKIE_KEYS = [Fernet.generate_key().decode()]
    runner.run(job)
    job.refresh_from_db()
    assert (job.status, job.error_code) == (Status.FAILED, "cookies_gone")
    assert lent_files(data_dir) == []


def test_a_probe_whose_cookies_cannot_be_read_fails(jar: CookieJar, owner: User, settings: Settings) -> None:
    probe = probing.ask(owner, ProbeKind.MEDIA, "http://a.example/", jar)
    probe.start("node/1/1")
    settings.COOKIE_KEYS = [Fernet.generate_key().decode()]
    probing.run(probe)
    probe.refresh_from_db()
    assert (probe.status, probe.error_code) == (ProbeStatus.FAILED, "cookies_gone")


class Seen:
    """In place of the engine: what it would have been asked to do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str | None] = []
        monkeypatch.setattr(Attempt, "start", self._start)
        workers.start_draining()

    def _start(self, spec: JobSpec, *_: object, **__: object) -> Attempt:
        self.texts.append(Path(spec.cookies_file).read_text() if spec.cookies_file else None)
        raise ForkServerUnavailable("it is not there")


def test_an_attempt_is_given_the_file_and_a_job_that_is_handed_back_leaves_none(
    jar: CookieJar, owner: User, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    seen = Seen(monkeypatch)
    with_them = JobFactory(owner=owner, running=True, options={"cookies_id": str(jar.pk)})
    without = JobFactory(owner=owner, running=True, options={"cookies_id": None})
    for job in (with_them, without):
        runner.run(job)
        job.refresh_from_db()
        assert job.status == Status.QUEUED
    assert [text and SECRET in text for text in seen.texts] == [True, None]
    assert lent_files(data_dir) == []


def test_a_probe_is_given_the_file(
    jar: CookieJar, owner: User, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    seen = Seen(monkeypatch)
    probe = probing.ask(owner, ProbeKind.LIST, "http://a.example/", jar)
    probe.start("node/1/1")
    probing.run(probe)
    assert [text and SECRET in text for text in seen.texts] == [True]
    assert lent_files(data_dir) == []


def test_another_owners_job_is_lent_nothing(jar: CookieJar) -> None:
    with pytest.raises(JobError):
        cookies.wanted_by(JobFactory(running=True, options={"cookies_id": str(jar.pk)}))
