"""Which yt-dlp is used, and which is not though it was chosen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from downloads import diagnosis, storage, succession, ytdlp_install, ytdlp_versions
from downloads.processes import program
from downloads.succession import EngineService, Succession
from downloads.ytdlp_versions import Running, Selection

NEWER = "2098.1.2"


@pytest.fixture
def packages(data_dir: Path) -> Path:
    """A directory that holds a newer yt-dlp, by what it says of itself."""
    return a_version(NEWER)


def a_version(version: str) -> Path:
    directory = ytdlp_versions.root() / f"{version}-0123abcd"
    info = directory / f"yt_dlp-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: yt-dlp\nVersion: {version}\n")
    return directory


# --- What is used -------------------------------------------------------------------------------------------------


def test_it_is_the_installed_one_until_another_is_chosen(packages: Path) -> None:
    assert (ytdlp_versions.directory(), ytdlp_versions.in_use()) == (None, ytdlp_versions.installed())
    ytdlp_versions.select(packages.name, "")
    assert (ytdlp_versions.directory(), ytdlp_versions.in_use()) == (packages, NEWER)
    ytdlp_versions.select("", packages.name)
    assert ytdlp_versions.directory() is None


@pytest.mark.parametrize(
    ("installed", "is_used"), [("2026.10.26", True), ("2097.01.02", True), ("2098.01.02", True), ("2098.2.1", False)]
)
def test_one_that_is_installed_later_and_newer_overtakes_it(
    packages: Path, installed: str, is_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ytdlp_versions.select(packages.name, "")
    monkeypatch.setattr(ytdlp_versions, "installed", lambda: installed)
    assert (ytdlp_versions.directory() == packages) is is_used


def test_an_older_one_that_was_asked_for_is_used(data_dir: Path) -> None:
    older = a_version("2020.1.1")
    ytdlp_versions.select(older.name, "")
    assert ytdlp_versions.directory() == older


def test_what_was_made_for_another_python_is_not_used(packages: Path) -> None:
    ytdlp_versions.write(Selection(current=packages.name, installed=ytdlp_versions.installed(), python="2.7"))
    assert ytdlp_versions.directory() is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"current": "x", "more": 1}', "\0"])
def test_a_choice_that_cannot_be_read_is_none(packages: Path, text: str) -> None:
    (ytdlp_versions.root() / "selection.json").write_text(text)
    assert (ytdlp_versions.selection(), ytdlp_versions.directory()) == (None, None)


def test_one_whose_directory_has_gone_is_not_used(data_dir: Path) -> None:
    ytdlp_versions.root().mkdir()
    ytdlp_versions.select("2098.1.2-gone", "")
    assert ytdlp_versions.directory() is None


def test_the_report_of_an_engine_that_has_gone_says_nothing(data_dir: Path) -> None:
    for pid in (2**22 + 1, os.getpid()):
        text = f'{{"pid": {pid}, "ytdlp_version": "1", "overlay": ""}}'
        ytdlp_versions.report_path().write_text(text)
        assert ytdlp_versions.running() is None


def test_the_doctor_says_which_it_is_and_when_it_is_not_the_chosen_one(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (diagnosis.ytdlp().status, diagnosis.ytdlp().message) == (
        "ok",
        f"{ytdlp_versions.installed()}, as installed",
    )
    ytdlp_versions.select(packages.name, "")
    assert diagnosis.ytdlp().message == f"{NEWER}, in {packages}"
    fallen_back = Running(pid=1, ytdlp_version="2026.10.26", overlay="")
    monkeypatch.setattr(ytdlp_versions, "running", lambda: fallen_back)
    finding = diagnosis.ytdlp()
    assert (finding.status, NEWER in finding.message) == ("warning", True)
    assert "--rollback" in finding.remedy


def test_what_nobody_uses_is_removed_a_day_later(packages: Path) -> None:
    unused, half_done = a_version("2090.1.1"), ytdlp_versions.root() / ".new-1"
    half_done.mkdir()
    previous = a_version("2097.1.1")
    ytdlp_versions.select(packages.name, previous.name)
    ytdlp_versions.prune()
    assert (half_done.exists(), unused.exists()) == (False, True)
    for path in (unused, packages, previous):
        os.utime(path, (0, 0))
    ytdlp_versions.prune()
    assert (unused.exists(), packages.exists(), previous.exists()) == (False, True, True)


# --- The command --------------------------------------------------------------------------------------------------


def test_there_is_nothing_to_go_back_to_at_first(data_dir: Path) -> None:
    with pytest.raises(CommandError, match="none to go back to"):
        call_command("ytdlp_update", "--rollback")


def test_goes_back_and_forth(packages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ytdlp_versions.select(packages.name, "")
    call_command("ytdlp_update", "--rollback")
    assert ytdlp_versions.directory() is None
    assert f"{ytdlp_versions.installed()} is used from the next start" in capsys.readouterr().out
    call_command("ytdlp_update", "--rollback")
    assert ytdlp_versions.directory() == packages


def test_does_not_go_back_to_what_is_gone(packages: Path) -> None:
    ytdlp_versions.select(packages.name, "2097.1.1-gone")
    with pytest.raises(CommandError, match="is gone"):
        call_command("ytdlp_update", "--rollback")
    assert ytdlp_versions.directory() == packages


def test_one_update_at_a_time(data_dir: Path) -> None:
    with ytdlp_versions.locked(), pytest.raises(CommandError, match="under way"):
        call_command("ytdlp_update", "--rollback")


def test_a_file_that_is_no_wheel_changes_nothing(data_dir: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "yt_dlp-2099.1.1-py3-none-any.whl"
    wheel.write_bytes(b"no wheel")
    with pytest.raises(CommandError, match="nothing has changed"):
        call_command("ytdlp_update", "--wheel", str(wheel))
    assert [path.name for path in ytdlp_versions.root().iterdir()] == [".lock"]


def test_a_version_that_there_is_not_is_said_in_few_words(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are hundreds, and pip lists them all in one line."""
    for number in range(1, 200):
        (tmp_path / f"yt_dlp-2001.1.{number}-py3-none-any.whl").touch()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    storage.ensure_roots()
    with pytest.raises(ytdlp_install.PipError, match="Could not find a version") as caught:
        ytdlp_install.from_index("1.2.3")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("ERROR:") and len(line) <= 201 for line in lines), lines


def test_pip_is_given_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "API_KEY", "PIP_INDEX_URL", "https_proxy"):
        monkeypatch.setenv(name, "x")
    assert {"PIP_INDEX_URL", "https_proxy", "PATH"} <= set(ytdlp_install._environment())
    assert not {"SECRET_KEY", "DATABASE_URL", "API_KEY"} & set(ytdlp_install._environment())


# --- The supervisor -----------------------------------------------------------------------------------------------


@pytest.fixture
def said() -> list[str]:
    return []


def test_an_heir_that_ends_leaves_the_engine_as_it_is(
    packages: Path, said: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = program([sys.executable, "-c", "import time; time.sleep(60)"], environment={})
    ender = program([sys.executable, "-c", ""], environment={})
    service = EngineService(Path(settings.RUN_ROOT) / "engine.sock")
    monkeypatch.setattr(succession, "engine", lambda _socket, _report, chosen: ender if chosen else sleeper)
    service.start()
    try:
        engine = service.process
        heritage = Succession(service, said.append)
        heritage.tend()
        assert said == []
        ytdlp_versions.select(packages.name, "")
        deadline = time.monotonic() + 20
        while not said and time.monotonic() < deadline:
            heritage.tend()
            time.sleep(0.02)
        assert said == ["the engine with another yt-dlp has ended; the one before it goes on"]
        for _ in range(3):
            heritage.tend()
        assert (len(said), service.process, service.is_running) == (1, engine, True)
    finally:
        service.kill()


def test_a_fork_server_that_cannot_load_it_goes_on_with_the_installed_one(tmp_path: Path) -> None:
    (tmp_path / "packages" / "yt_dlp").mkdir(parents=True)
    (tmp_path / "packages" / "yt_dlp" / "__init__.py").write_text("raise ImportError('broken')\n")
    report = tmp_path / "report"
    launch = succession.engine(tmp_path / "s", report, tmp_path / "packages")
    process = launch()
    try:
        deadline = time.monotonic() + 100
        while not report.exists() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        assert '"overlay": ""' in report.read_text()
        assert ytdlp_versions.numbers(ytdlp_versions.installed())
    finally:
        assert isinstance(process, subprocess.Popen)
        process.kill()
        process.wait()
