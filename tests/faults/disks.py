"""Small disks to be filled, taken away and brought back, and products whose data lie on them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import IS_POSTGRES, Bench
from tests.faults.oracles import Oracle

MEBIBYTE = 1024**2


class Disk:
    """A file system in memory at `point`. The other mount keeps what is on it while it is away."""

    def __init__(self, directory: Path) -> None:
        self.point = directory / "disk"
        self._kept = directory / "kept"
        for path in (self.point, self._kept):
            path.mkdir()

    def make(self, size_bytes: int, *, entries: int = 0) -> Path:
        limit = f",nr_inodes={entries}" if entries else ""
        self._mount("-t", "tmpfs", "-o", f"size={size_bytes}{limit}", "tmpfs", str(self.point))
        self._mount("--bind", str(self.point), str(self._kept))
        return self.point

    def take_away(self) -> None:
        """As when it is unplugged: who works on it goes on, and nobody finds it any more."""
        _run("umount", "--lazy", str(self.point))

    def bring_back(self) -> None:
        self._mount("--bind", str(self._kept), str(self.point))

    def turn(self, mode: str) -> bool:
        """Read-only or writable ("ro", "rw"). The kernel refuses while somebody writes."""
        return _run("mount", "-o", f"remount,{mode}", str(self.point)).returncode == 0

    def close(self) -> None:
        for path in (self.point, self._kept):
            _run("umount", "--lazy", str(path))

    def _mount(self, *arguments: str) -> None:
        done = _run("mount", *arguments)
        if done.returncode:
            pytest.fail(f"these tests mount a small file system, as root or below `unshare -rm`: {done.stderr.strip()}")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    one = Disk(tmp_path)
    yield one
    one.close()


def product_on(make_oracle: Bench, disk: Disk, tmp_path: Path, *, is_started: bool = True, **more: str) -> Oracle:
    """The data lie on the disk; the database does not, nor does what the tests read."""
    environment = {"STORAGE_RESERVE_BYTES": "0", "SECRET_KEY": "kept-apart-from-the-small-disk-0123456789abcdefghij"}
    if not IS_POSTGRES:
        environment["DATABASE_URL"] = f"sqlite:///{tmp_path}/database.sqlite3"
    oracle = make_oracle(data_dir=disk.point, is_started=False, **environment | more)
    oracle.product.log_path = tmp_path / "product.log"
    if is_started:
        oracle.product.start().wait_for_engine()
    return oracle


def make_due(oracle: Oracle) -> None:
    oracle.record.execute("UPDATE downloads_job SET eligible_at = created_at WHERE status = 'queued'")


def fill(directory: Path) -> list[Path]:
    """Takes all that is left of the disk's room."""
    filler = directory / "somebody-elses"
    with filler.open("wb", buffering=0) as file:
        for chunk in (MEBIBYTE, 4096):
            try:
                while True:
                    file.write(b"\0" * chunk)
            except OSError:
                continue
    return [filler]


def use_up_entries(directory: Path) -> list[Path]:
    """Takes all that is left of the disk's entries, and none of its room."""
    made: list[Path] = []
    try:
        while True:
            path = directory / f"somebody-elses-{len(made)}"
            path.touch()
            made.append(path)
    except OSError:
        return made
