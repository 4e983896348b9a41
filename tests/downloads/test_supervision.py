from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from pytest_django import Settings

from downloads import supervision


@pytest.fixture
def run_root(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Too long for the path of a Unix socket, and a place for temporary files of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    settings.RUN_ROOT = tmp_path / ("long" * 30)
    return Path(settings.RUN_ROOT)


def test_the_socket_of_the_engine_lies_in_the_data_directory(settings: Settings) -> None:
    settings.RUN_ROOT = Path("/srv/media/run")
    assert supervision._engine_socket() == Path("/srv/media/run/engine.sock")


def test_the_socket_is_found_in_one_place_again_when_the_path_is_too_long(run_root: Path, tmp_path: Path) -> None:
    first, second = supervision._engine_socket(), supervision._engine_socket()
    assert first == second
    assert first.parent.parent == tmp_path
    assert first.parent.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_others_can_enter_is_not_used(run_root: Path) -> None:
    supervision._engine_socket().parent.chmod(0o755)
    with pytest.raises(PermissionError, match="shorter DATA_DIR"):
        supervision._engine_socket()


def test_a_guard_that_runs_elsewhere_is_not_started_here(settings: Settings, data_dir: Path) -> None:
    settings.GUARD_URL = "http://10.213.0.2:3128"
    assert [service.name for service in supervision._engine_services()] == ["engine"]
    assert settings.GUARD_URL == "http://10.213.0.2:3128"


def test_without_one_each_machine_has_its_own(settings: Settings, data_dir: Path) -> None:
    settings.GUARD_URL = ""
    assert [service.name for service in supervision._engine_services()] == ["guard", "engine"]
    assert settings.GUARD_URL.startswith("http://127.0.0.1:")
