"""Backups: one archive with the database as it was at one moment, the generated keys, and, if wanted, the files.

`write` may run while the server does; `restore` must not. Knows paths alone, no models: what it reads may be older.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

MANIFEST = "backup.json"
DATABASE = "mediadl.sqlite3"
FILES = "files"
# Of this module's archives, in case they ever change.
FORMAT = 1
CHUNK_BYTES = 1024 * 1024


class BackupError(Exception):
    """The archive is not one of ours, is damaged, or cannot be put where it is to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`sha256` is of the database and the keys; the bytes of files are known by their rows."""

    format: int
    version: str
    created_at: str
    sha256: dict[str, str] = field(default_factory=dict)
    files: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an installation keeps what is backed up; `database` is None where that is not SQLite."""

    data_dir: Path
    database: Path | None

    @property
    def keys(self) -> list[Path]:
        return sorted(path for path in self.data_dir.glob("*_key") if path.is_file())

    @property
    def files(self) -> Path:
        return self.data_dir / FILES


def snapshot(source: Path, target: Path) -> None:
    """Copies a database that may be written to meanwhile, and checks the copy. Raises BackupError."""
    address = f"{source.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as original, closing(sqlite3.connect(target)) as copy:
            original.backup(copy)
            # In one file, without a log beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.DatabaseError as failure:
        raise BackupError(f"{source.name} cannot be copied: {failure}") from failure
    check(target)


def check(database: Path) -> None:
    """Raises BackupError."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            (said,) = connection.execute("PRAGMA integrity_check").fetchone()
            lost = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as failure:
        raise BackupError(f"{database.name} is no database: {failure}") from failure
    if said != "ok" or lost:
        raise BackupError(f"{database.name} is damaged: {said if said != 'ok' else 'rows without their parents'}")


# --- Writing ------------------------------------------------------------------------------------------------------


def write(archive: Path, place: Place, *, version: str, with_files: bool) -> Manifest:
    """The database first and the files after it: whatever is deleted in between is missed by nobody."""
    draft = archive.with_name(f".{archive.name}.part")
    draft.touch(mode=0o600)
    try:
        with (
            tempfile.TemporaryDirectory(dir=archive.parent, prefix=".backup-") as name,
            # Each file by itself: of downloads that share their bytes, one may go before it is restored.
            tarfile.open(draft, "w", dereference=True) as tar,
        ):
            members = _copies(Path(name), place)
            for member in members:
                tar.add(member, arcname=member.name)
            count = _add_files(tar, place.files) if with_files else 0
            manifest = Manifest(
                format=FORMAT,
                version=version,
                created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                sha256={member.name: _sha256(member) for member in members},
                files=count,
            )
            _add_text(tar, MANIFEST, json.dumps(asdict(manifest), indent=2))
        draft.replace(archive)
    finally:
        draft.unlink(missing_ok=True)
    return manifest


def _copies(directory: Path, place: Place) -> list[Path]:
    copies = []
    if place.database is not None:
        snapshot(place.database, directory / DATABASE)
        copies.append(directory / DATABASE)
    return copies + [Path(shutil.copy(key, directory)) for key in place.keys]


def _add_files(tar: tarfile.TarFile, root: Path) -> int:
    count = 0
    for path in sorted(root.rglob("*")):
        try:
            if path.is_file() and not path.is_symlink():
                tar.add(path, arcname=f"{FILES}/{path.relative_to(root)}", recursive=False)
                count += 1
        except FileNotFoundError:
            # It has expired since it was listed.
            continue
    return count


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
    tar.addfile(member, io.BytesIO(data))


# --- Reading ------------------------------------------------------------------------------------------------------


def restore(archive: Path, place: Place, *, version: str) -> Manifest:
    """Unpacks beside what is there, checks it all, and only then puts it in place. Raises BackupError.

    A database that is there is kept under another name.
    """
    place.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.data_dir, prefix=".restore-") as name:
        unpacked = Path(name)
        _unpack(archive, unpacked)
        manifest = _checked(unpacked, version)
        if place.database is not None and (unpacked / DATABASE).exists():
            _keep_aside(place.database)
            (unpacked / DATABASE).replace(place.database)
        for key in unpacked.glob("*_key"):
            key.replace(place.data_dir / key.name)
        if (unpacked / FILES).exists():
            shutil.copytree(unpacked / FILES, place.files, dirs_exist_ok=True, copy_function=shutil.move)
    return manifest


def _unpack(archive: Path, target: Path) -> None:
    try:
        with tarfile.open(archive, "r:") as tar:
            for member, source in _expected(tar):
                _write(source, target / member.name)
                os.utime(target / member.name, (member.mtime, member.mtime))
        for directory in (path for path in target.rglob("*") if path.is_dir()):
            directory.chmod(0o700)
    except (OSError, tarfile.TarError) as failure:
        raise BackupError(f"{archive.name} cannot be read: {failure}") from failure


def _write(source: IO[bytes], path: Path) -> None:
    """By hand, since `TarFile.extract` knows no filters before Python 3.11.4, and Debian 12 has 3.11.2."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        path.chmod(0o600)
        shutil.copyfileobj(source, file)


def _expected(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for member in tar:
        parts = PurePosixPath(member.name).parts
        is_top = len(parts) == 1 and (member.name in (MANIFEST, DATABASE) or member.name.endswith("_key"))
        # Of a link it would be what the link leads to.
        source = tar.extractfile(member) if member.isfile() else None
        if source is None or not (is_top or (parts[0] == FILES and ".." not in parts)):
            raise BackupError(f"{member.name!r} does not belong into a backup")
        yield member, source


def _checked(unpacked: Path, version: str) -> Manifest:
    try:
        manifest = Manifest(**json.loads((unpacked / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as failure:
        raise BackupError("This is no backup of mediadl, or it was cut off.") from failure
    if manifest.format != FORMAT or _numbers(manifest.version) > _numbers(version):
        raise BackupError(f"The backup is of version {manifest.version}: restore it with that one or a later one.")
    for name, digest in manifest.sha256.items():
        if not (unpacked / name).is_file() or _sha256(unpacked / name) != digest:
            raise BackupError(f"{name} is not what was backed up.")
    if (unpacked / DATABASE).exists():
        check(unpacked / DATABASE)
    return manifest


def _keep_aside(database: Path) -> None:
    if database.exists():
        database.rename(database.with_name(f"{database.name}.before-restore-{int(time.time())}"))
    # They belong to the old one, and would be played back into the new one.
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]
