"""`python -m downloads.engine.forkserver --socket PATH`: yt-dlp imported and warm, a fork away from running.

One thread, no Django, no database, no secrets. Each connection is one attempt: a leash is forked for it and reads the
spec, so that no peer can hold the server up. The socket appears when the server is ready. SIGTERM ends the server and
not the attempts: each goes on until its slot ends it.
"""

from __future__ import annotations

import argparse
import gc
import logging
import mimetypes
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from downloads.engine import launch, leash, linux, loglines, overlay, sandbox, usage, wire
from downloads.engine.spec import Event, JobSpec

log = logging.getLogger("downloads.engine.forkserver")

_OVERLAY = "--overlay"
DEFAULT_CHILD = "downloads.engine.entry:run"

_KEPT_VARIABLES = frozenset(
    {
        *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
    }
)
_SPEC_SECONDS = 5.0
_BACKLOG = 128
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_HANDLED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}


def main() -> None:
    arguments = _arguments()
    linux.set_parent_death_signal(signal.SIGKILL)
    _shed_environment()
    os.closerange(3, 65536)
    loglines.to_stderr(arguments.log_format)
    began = time.monotonic()
    entry = _load_with_overlay(arguments)
    _kill_strays()
    server = ForkServer(arguments.socket, entry)
    if arguments.report:
        overlay.report(arguments.report, arguments.overlay)
    log.info("engine ready after %.2f s", time.monotonic() - began)
    server.serve_forever()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m downloads.engine.forkserver")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--child", default=DEFAULT_CHILD, help="module:function(spec, emit) -> exit status")
    parser.add_argument(_OVERLAY, type=Path, help="a directory with another yt-dlp than the installed one")
    parser.add_argument("--report", type=Path, help="a file that says who is ready, and with what")
    parser.add_argument("--log-format", choices=loglines.FORMATS, default="console")
    parser.add_argument("--no-sandbox", action="store_true", help="for kernels that break under it; health shows it")
    return parser.parse_args()


def _shed_environment() -> None:
    """Start over without what we were not meant to get: a forked child can read the memory of its first variables."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES}
    kept |= {"HOME": "/nonexistent", "PYTHONPATH": str(Path(__file__).parents[2])}
    if kept != os.environ:
        os.execve(sys.executable, sys.orig_argv, kept)  # noqa: S606 - ourselves
    del os.environ["PYTHONPATH"]  # it was for us alone


def _load_with_overlay(arguments: argparse.Namespace) -> launch.Entry:
    """What cannot be loaded out of it must not stop all downloads: then the installed yt-dlp does."""
    chosen = arguments.overlay
    if chosen is None:
        return _load(arguments.child, is_sandboxed=not arguments.no_sandbox)
    try:
        overlay.enter(chosen)
        return _load(arguments.child, is_sandboxed=not arguments.no_sandbox, readable=(str(chosen),))
    except Exception:
        log.exception("yt-dlp cannot be loaded from %s: going on with the installed one", chosen)
        overlay.start_without(_OVERLAY)


def _load(child: str, *, is_sandboxed: bool, readable: tuple[str, ...] = ()) -> launch.Entry:
    """Import and warm everything a child needs, and make its memory cheap to fork and to share."""
    module_name, _, function = child.partition(":")
    module = import_module(module_name)
    if hasattr(module, "warm"):
        module.warm()
    mimetypes.init()  # it reads files of /etc that a child may not
    sandbox.warm()
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
        log.warning("%s left threads behind: a fork may find locks that nobody releases", module_name)
    gc.collect()
    gc.freeze()
    linux.use_huge_pages()
    return launch.Entry(run=getattr(module, function), is_sandboxed=is_sandboxed, readable=readable)


class ForkServer:
    def __init__(self, path: Path, entry: launch.Entry) -> None:
        self._path = path
        self._entry = entry
        self._listener, self._inode = _listen(path)
        signal.signal(signal.SIGCHLD, _reap)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def serve_forever(self) -> NoReturn:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                log.warning("cannot accept: %s", error)
                time.sleep(0.1)
            else:
                with connection:
                    if _is_own_user(connection):
                        self._fork_leash(connection)

    def _fork_leash(self, connection: socket.socket) -> None:
        """The handlers are ours: a signal must not run them in the leash before it has set its own."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            if os.fork() == 0:
                self._listener.close()
                _hold(self._entry, connection)
        except OSError as error:
            log.exception("cannot fork")
            _refuse(connection, f"The fork server cannot fork: {error.strerror}")
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)

    def _stop(self, *_: object) -> NoReturn:
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:  # and not a successor's
                self._path.unlink()
        os._exit(0)


def _listen(path: Path) -> tuple[socket.socket, int]:
    """Listens before its name appears, in one step and over whatever a dead predecessor left there."""
    hidden = path.with_name(f"{path.name}.{os.getpid()}")
    hidden.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    listener.bind(str(hidden))
    os.umask(before)
    listener.listen(_BACKLOG)
    hidden.replace(path)
    return listener, path.stat().st_ino


def _is_own_user(connection: socket.socket) -> bool:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(raw)
    if user != os.geteuid():
        log.warning("refused a connection of user %d", user)
    return bool(user == os.geteuid())


def _reap(*_: object) -> None:
    """Bury dead leashes, and their groups with them, before anybody else can be given the same pid."""
    with suppress(ChildProcessError):
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            with suppress(OSError):
                os.killpg(dead.si_pid, signal.SIGKILL)
            os.waitpid(dead.si_pid, 0)


def _kill_strays() -> None:
    """What a child had started, when its leash was killed while no fork server was there to bury it."""
    for process in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208
        with suppress(OSError):
            is_ours = f"{launch.MARK}=1".encode() in Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            group = os.getpgid(process)
            if is_ours and not usage.is_alive(group):
                os.killpg(group, signal.SIGKILL)


def _hold(entry: launch.Entry, connection: socket.socket) -> NoReturn:
    """In the leash: read the spec, fork the child, hold it."""
    try:
        leash.lead()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        _hold_attempt(entry, connection)
    except BaseException:
        log.exception("a leash failed")
    finally:
        os._exit(0)


def _hold_attempt(entry: launch.Entry, connection: socket.socket) -> None:
    try:
        line, unread = wire.receive_line(connection, seconds=_SPEC_SECONDS)
        spec = JobSpec.from_json(line)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _refuse(connection, f"The fork server does not understand the job: {type(error).__name__}")
        return
    linux.give_way(linux.NICE_TO_ALL if spec.probe is None else linux.NICE_TO_THE_WEB)
    leader = os.getpid()
    child = os.fork()
    if child == 0:
        launch.run(entry, spec, connection, leash=leader)
    leash.Leash(connection, spec, child, unread).hold()


def _refuse(connection: socket.socket, message: str) -> None:
    events = (
        wire.error("internal_error", message),
        Event(name="exit", data={"status": 1}),
    )
    wire.send(connection, b"".join(event.to_line() for event in events), seconds=1)


if __name__ == "__main__":
    main()
