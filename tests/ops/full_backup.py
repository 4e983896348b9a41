"""The drill: a backup of a running product, restored on another machine, is the product as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.origin import Origin
from tests.product import ROOT, Product

pytestmark = pytest.mark.processes


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
