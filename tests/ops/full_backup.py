"""The drill: a backup of a running product, restored on another machine, is the product as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.origin import Origin
from tests.postgres import find_programs, throwaway_postgres
from tests.product import ROOT, Product, own_database

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]


def manage(product: Product, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=product.environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_backup_of_a_running_server_is_restored_elsewhere(origin: Origin, tmp_path: Path) -> None:
    sqlite = {"DATABASE_URL": ""}
    archive = tmp_path / "backup.tar"
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with Product(tmp_path / "first", **sqlite) as first:
        job = first.wait_for(first.submit(origin.url("/clip.mp4"))["request_id"], "completed")
        content = first.fetch(job["file_url"]).content
        made = manage(first, "backup", str(archive), "--files")
        assert made.returncode == 0, made.stderr
        assert manage(first, "backup", str(archive)).returncode != 0
        refused = manage(first, "restore", str(archive), "--force")
        assert "has run here" in refused.stderr
        first.stop()
    shutil.rmtree(first.data_dir)

    second = Product(tmp_path / "second", **sqlite)
    restored = manage(second, "restore", str(archive))
    assert restored.returncode == 0, restored.stderr
    assert "1 files, 0 without a row, 0 missing" in restored.stdout
    with second:
        again = second.job(job["request_id"])
        assert (again["status"], again["file_size"]) == ("completed", job["file_size"])
        file_path = job["file_url"].replace(str(first.port), str(second.port))
        assert second.fetch(file_path).content == content


def test_a_dump_of_postgresql_is_restored_elsewhere(origin: Origin, tmp_path: Path) -> None:
    """By the commands of docs/backup.md."""
    dump, keys = str(tmp_path / "mediadl.dump"), str(tmp_path / "keys.tar")
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with throwaway_postgres() as server:
        with Product(tmp_path / "first", DATABASE_URL=own_database(server)) as first:
            job = first.wait_for(first.submit(origin.url("/clip.mp4"))["request_id"], "completed")
            content = first.fetch(job["file_url"]).content
            postgres("pg_dump", "--format=custom", f"--file={dump}", first.environment["DATABASE_URL"])
            made = manage(first, "backup", keys, "--files")
            assert made.returncode == 0, made.stderr
            later = first.wait_for(first.submit(origin.url("/item/1.mp4"))["request_id"], "completed")
        shutil.rmtree(first.data_dir)

        second = Product(tmp_path / "second", DATABASE_URL=own_database(server))
        into = f"--dbname={second.environment['DATABASE_URL']}"
        postgres("pg_restore", "--clean", "--if-exists", "--no-owner", "--exit-on-error", into, dump)
        for arguments in (["restore", keys], ["migrate"], ["storage_audit", "--repair"]):
            done = manage(second, *arguments)
            assert done.returncode == 0, done.stdout + done.stderr
        with second:
            again = second.job(job["request_id"])
            assert (again["status"], again["file_size"]) == ("completed", job["file_size"])
            file_path = job["file_url"].replace(str(first.port), str(second.port))
            assert second.fetch(file_path).content == content
            assert second.api.get(f"/download/{later['request_id']}").status_code == 404


def postgres(name: str, *arguments: str) -> None:
    done = subprocess.run([find_programs() / name, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
