"""Backups hold one moment of a database that is written to, and a restore that cannot be right changes nothing."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import call_command

from downloads import backup
from downloads.backup import BackupError, Place
from downloads.diagnosis import version
from tests.project.tree import ROOT


@pytest.fixture
def place(tmp_path: Path) -> Place:
    data = tmp_path / "here"
    (data / "files/job/1").mkdir(parents=True)
    (data / "files/job/1/file.mp4").write_bytes(b"media")
    (data / "secret_key").write_text("secret")
    (data / "link_key").write_text("link")
    (data / "work").mkdir()
    (data / "work/half.part").write_bytes(b"half")
    with closing(sqlite3.connect(data / "mediadl.sqlite3")) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE pair (a, b); INSERT INTO pair VALUES (0, 0);")
    return Place(data_dir=data, database=data / "mediadl.sqlite3")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Place:
    return Place(data_dir=tmp_path / "there", database=tmp_path / "there/mediadl.sqlite3")


def written(place: Place, *, with_files: bool = True) -> Path:
    archive = place.data_dir.parent / "backup.tar"
    backup.write(archive, place, version="1.2.0", with_files=with_files)
    return archive


def pairs(database: Path) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.execute("SELECT a, b FROM pair"))


def names(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return set(tar.getnames())


def test_what_was_backed_up_is_there_again(place: Place, elsewhere: Place) -> None:
    archive = written(place)
    manifest = backup.restore(archive, elsewhere, version="1.2.0")
    assert (manifest.version, manifest.files) == ("1.2.0", 1)
    assert elsewhere.database is not None
    assert pairs(elsewhere.database) == [(0, 0)]
    assert (elsewhere.files / "job/1/file.mp4").read_bytes() == b"media"
    assert [(key.name, key.read_text()) for key in elsewhere.keys] == [("link_key", "link"), ("secret_key", "secret")]
    assert {path.name for path in elsewhere.data_dir.iterdir()} == {
        "files",
        "link_key",
        "mediadl.sqlite3",
        "secret_key",
    }


def test_files_keep_their_times(place: Place, elsewhere: Place) -> None:
    file = "job/1/file.mp4"
    os.utime(place.files / file, (1_700_000_000, 1_700_000_000))
    backup.restore(written(place), elsewhere, version="1.2.0")
    assert (elsewhere.files / file).stat().st_mtime == 1_700_000_000


def test_nobody_else_can_read_it(place: Place, elsewhere: Place) -> None:
    archive = written(place)
    assert archive.stat().st_mode & 0o077 == 0
    backup.restore(archive, elsewhere, version="1.2.0")
    assert [path for path in elsewhere.data_dir.rglob("*") if path.stat().st_mode & 0o077] == []


def test_files_and_work_are_left_out_unless_asked_for(place: Place) -> None:
    assert names(written(place, with_files=False)) == {"backup.json", "mediadl.sqlite3", "link_key", "secret_key"}


def test_it_is_one_moment_of_a_database_that_is_written_to(place: Place, tmp_path: Path) -> None:
    """Both columns are raised in one transaction: a copy in which they differ would be of two moments."""
    assert place.database is not None
    over = threading.Event()

    def write_on(database: Path) -> None:
        with closing(sqlite3.connect(database, timeout=20)) as connection:
            while not over.is_set():
                with connection:
                    connection.execute("UPDATE pair SET a = a + 1")
                    connection.execute("INSERT INTO pair SELECT a, a FROM pair LIMIT 50")
                    connection.execute("UPDATE pair SET b = a")

    writer = threading.Thread(target=write_on, args=[place.database])
    writer.start()
    try:
        for number in range(5):
            target = tmp_path / f"copy{number}.sqlite3"
            backup.snapshot(place.database, target)
            assert all(a == b for a, b in pairs(target))
            assert not target.with_name(f"{target.name}-wal").exists()
    finally:
        over.set()
        writer.join()


def test_a_database_that_is_there_is_kept_aside_with_its_log_gone(place: Place, elsewhere: Place) -> None:
    archive = written(place)
    elsewhere.data_dir.mkdir()
    assert elsewhere.database is not None
    elsewhere.database.write_bytes(b"of before")
    log = elsewhere.data_dir / "mediadl.sqlite3-wal"
    log.write_bytes(b"log of before")
    backup.restore(archive, elsewhere, version="1.2.0")
    (kept,) = elsewhere.data_dir.glob("*.before-restore-*")
    assert kept.read_bytes() == b"of before"
    assert not log.exists()
    assert pairs(elsewhere.database) == [(0, 0)]


def test_an_older_version_does_not_take_a_newer_ones_backup(place: Place, elsewhere: Place) -> None:
    archive = written(place)
    backup.restore(archive, elsewhere, version="1.10.0")
    with pytest.raises(BackupError, match=r"version 1\.2\.0"):
        backup.restore(archive, elsewhere, version="1.1.9")


def test_a_damaged_database_is_not_backed_up(place: Place, tmp_path: Path) -> None:
    assert place.database is not None
    place.database.write_bytes(b"no database at all" * 1000)
    with pytest.raises(BackupError):
        written(place)
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []


def altered(archive: Path, name: str, content: bytes | None, kind: bytes = tarfile.REGTYPE) -> Path:
    """The archive with one member of another content, or one more; None leaves it out."""
    target = archive.with_name("altered.tar")
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        for member in old:
            if member.name != name:
                new.addfile(member, old.extractfile(member))
        if content is not None:
            added = tarfile.TarInfo(name)
            added.type, added.linkname = kind, "/etc/passwd"
            added.size = len(content) if kind == tarfile.REGTYPE else 0
            new.addfile(added, io.BytesIO(content))
    return target


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("mediadl.sqlite3", b"another", tarfile.REGTYPE),
        ("mediadl.sqlite3", None, tarfile.REGTYPE),
        ("secret_key", b"another", tarfile.REGTYPE),
        ("backup.json", None, tarfile.REGTYPE),
        ("backup.json", b"{}", tarfile.REGTYPE),
        ("backup.json", b"[", tarfile.REGTYPE),
        ("../outside", b"?", tarfile.REGTYPE),
        ("files/../../outside", b"?", tarfile.REGTYPE),
        ("/tmp/outside", b"?", tarfile.REGTYPE),
        ("manage.py", b"?", tarfile.REGTYPE),
        ("files/link", b"", tarfile.SYMTYPE),
    ],
)
def test_what_is_no_backup_of_ours_changes_nothing(
    place: Place, elsewhere: Place, name: str, content: bytes | None, kind: bytes
) -> None:
    archive = altered(written(place), name, content, kind)
    with pytest.raises(BackupError):
        backup.restore(archive, elsewhere, version="1.2.0")
    assert list(elsewhere.data_dir.iterdir()) == []
    assert not (elsewhere.data_dir.parent / "outside").exists()


def test_what_was_cut_off_changes_nothing(place: Place, elsewhere: Place) -> None:
    archive = written(place)
    archive.write_bytes(archive.read_bytes()[:6000])
    with pytest.raises(BackupError):
        backup.restore(archive, elsewhere, version="1.2.0")
    assert list(elsewhere.data_dir.iterdir()) == []


def test_says_which_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("version")
    assert capsys.readouterr().out.startswith(f"mediadl {version()}\nyt-dlp ")


@pytest.mark.parametrize("word", ["version", "--version"])
def test_says_which_version_it_is_where_one_asks_any_program(tmp_path: Path, word: str) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), word]
    environment = {"DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.startswith(f"mediadl {version()}\n")
