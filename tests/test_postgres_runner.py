from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import dj_database_url
import psycopg
import pytest

from tests import postgres
from tests.postgres import EXIT_NO_POSTGRES, NoPostgresError, ThrowawayPostgres, find_programs, throwaway_postgres

ROOT = Path(__file__).resolve().parent.parent
WHEEL = Path(sysconfig.get_path("purelib"))
INSTALLATIONS = [path for path in dict.fromkeys(postgres._candidates(os.environ)) if postgres._is_complete(path)]
PRINT_URL_AND_WAIT = """
import os, time
parent = os.getppid()
print(os.environ["DATABASE_URL"], flush=True)
while os.getppid() == parent:
    time.sleep(0.05)
"""


def query(url: str, statement: str) -> object:
    with psycopg.connect(url, connect_timeout=5) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row and row[0]


def directory_of(url: str) -> Path:
    return Path(dj_database_url.parse(url)["HOST"])


def is_gone(directory: Path) -> bool:
    """Neither the files nor a server that was started on them."""
    servers = [path for path in Path("/proc").glob("[0-9]*/cmdline") if _has_argument(path, f"{directory}/data")]
    return not directory.exists() and not servers


def _has_argument(cmdline: Path, argument: str) -> bool:
    try:
        return argument.encode() in cmdline.read_bytes().split(b"\0")
    except OSError:
        return False


def wait_until_gone(directory: Path) -> None:
    deadline = time.monotonic() + 15
    while not is_gone(directory):
        assert time.monotonic() < deadline, f"{directory} is still there"
        time.sleep(0.05)


def start_runner(*command: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.postgres", *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def waiting_runner() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A runner whose command has started, and its database's address."""
    with start_runner(sys.executable, "-c", PRINT_URL_AND_WAIT) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


class TestServer:
    @pytest.mark.parametrize("programs", INSTALLATIONS, ids=str)
    def test_runs_with_every_installation_on_a_socket_only(self, programs: Path) -> None:
        with throwaway_postgres(programs) as url:
            assert "PostgreSQL" in str(query(url, "SELECT version()"))
            assert query(url, "SHOW listen_addresses") == ""
            assert query(url, "SHOW fsync") == "off"
            assert query(url, "SELECT lower('ÄÖ')") == "äö"
            directory = directory_of(url)
        wait_until_gone(directory)

    def test_the_wheel_is_among_them(self) -> None:
        assert [path for path in INSTALLATIONS if path.is_relative_to(WHEEL)]

    @pytest.mark.skipif(os.getuid() != 0, reason="only root runs it as somebody else")
    def test_runs_from_a_wheel_below_a_directory_that_its_account_cannot_enter(self, tmp_path: Path) -> None:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o700)
        newest = next(path for path in INSTALLATIONS if path.is_relative_to(WHEEL))
        package = newest.parent.parent
        shutil.copytree(newest.parent, locked / package.name / newest.parent.name, symlinks=True)
        shutil.copytree(package.with_name(f"{package.name}.libs"), locked / f"{package.name}.libs")
        with throwaway_postgres(locked / newest.relative_to(package.parent)) as url:
            assert query(url, "SELECT 1") == 1

    def test_stops_and_starts_and_survives_a_crash_with_its_rows(self) -> None:
        server = throwaway_postgres()
        with server as url:
            query(url, "CREATE TABLE kept AS SELECT 7 AS number")
            server.stop()
            with pytest.raises(psycopg.OperationalError):
                query(url, "SELECT 1")
            server.start()
            query(url, "UPDATE kept SET number = 8")
            server.restart("immediate")
            assert query(url, "SELECT number FROM kept") == 8
            server.stop("immediate")
        assert is_gone(server.directory)

    def test_goes_when_the_body_raises(self) -> None:
        server = throwaway_postgres()
        with pytest.raises(ZeroDivisionError), server:
            raise ZeroDivisionError
        assert is_gone(server.directory)

    def test_leaves_nothing_when_it_cannot_be_made(self, tmp_path: Path) -> None:
        programs = tmp_path / "package" / "install" / "bin"
        programs.mkdir(parents=True)
        for name in ("initdb", "pg_ctl", "postgres", "createdb"):
            (programs / name).write_text('#!/bin/sh\ntest "$1" = --version || { echo no room; exit 1; }\n')
            (programs / name).chmod(0o755)
        server = ThrowawayPostgres(programs)
        with pytest.raises(RuntimeError, match="initdb failed: no room"):
            server.__enter__()
        assert is_gone(server.directory)


class TestRunner:
    def test_gives_the_command_a_database_and_returns_its_status(self) -> None:
        code = "import os, psycopg, sys; psycopg.connect(os.environ['DATABASE_URL']).execute('SELECT 1'); sys.exit(7)"
        process = start_runner(sys.executable, "-c", code)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, "Error" in errors) == (7, False)

    def test_says_by_which_signal_the_command_died(self) -> None:
        process = start_runner("sh", "-c", "kill -9 $$")
        process.communicate(timeout=60)
        assert process.returncode == 128 + 9

    def test_sigterm_ends_the_command_and_the_server(self, waiting_runner: tuple[subprocess.Popen[str], str]) -> None:
        process, url = waiting_runner
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        assert process.returncode == 128 + signal.SIGTERM
        assert is_gone(directory_of(url))

    def test_the_server_goes_though_the_runner_is_killed(
        self, waiting_runner: tuple[subprocess.Popen[str], str]
    ) -> None:
        process, url = waiting_runner
        process.kill()
        wait_until_gone(directory_of(url))

    def test_without_a_command_says_how_it_is_used(self) -> None:
        process = start_runner()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "usage" in errors

    def test_exits_3_with_a_sentence_when_pg_bin_is_wrong(self, tmp_path: Path) -> None:
        process = start_runner("true", PG_BIN=str(tmp_path))
        _, errors = process.communicate(timeout=60)
        assert process.returncode == EXIT_NO_POSTGRES
        assert f"PG_BIN names {tmp_path}" in errors
        assert "Traceback" not in errors

    def test_says_what_would_help_when_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(postgres, "_candidates", lambda environment: iter(()))
        with pytest.raises(NoPostgresError, match="install Debian's postgresql package, or pip install"):
            find_programs({})
