"""The fork server of this machine, and how another takes over from it when another yt-dlp has been chosen.

The successor is started beside it and takes the name of its socket when it is ready; only then the old one is told to
end. Attempts that it has started go on, each held by a leash of its own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from django.conf import settings

from downloads import ytdlp_versions
from downloads.processes import Launch, Process, Service, program

# It gives way to everything else, and yt-dlp is large.
READY_SECONDS = 120.0


def bare_python(arguments: Sequence[str], environment: Mapping[str, str], pass_fds: Sequence[int] = ()) -> Launch:
    """A Python that knows no secrets, for what touches the network."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "VIRTUAL_ENV")
    bare = {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONPATH": str(settings.BASE_DIR)}
    if settings.FFMPEG_LOCATION:
        bare["FFMPEG_LOCATION"] = settings.FFMPEG_LOCATION
    return program([sys.executable, *arguments], environment={**bare, **environment}, pass_fds=pass_fds)


def engine(socket: Path, report: Path, packages: Path | None) -> Launch:
    arguments = ["-m", "downloads.engine.forkserver", "--socket", str(socket), "--report", str(report)]
    arguments += ["--log-format", settings.LOG_FORMAT]
    return bare_python([*arguments, *(["--overlay", str(packages)] if packages else [])], {})


class EngineLaunch:
    """Starts one with the yt-dlp that is chosen at that moment."""

    def __init__(self, socket: Path) -> None:
        self.packages: Path | None = None
        self._socket = socket

    def __call__(self) -> Process:
        self.packages = ytdlp_versions.directory()
        return engine(self._socket, ytdlp_versions.report_path(), self.packages)()


class EngineService(Service):
    def __init__(self, socket: Path) -> None:
        self.engine_launch = EngineLaunch(socket)
        super().__init__("engine", self.engine_launch, stop_order=2)


class Succession:
    """Its `tend` is called again and again, and never blocks."""

    def __init__(self, service: EngineService, say: Callable[[str], None]) -> None:
        self._service = service
        self._launch = service.engine_launch
        self._say = say
        self._heir: Process | None = None
        self._retiring: Process | None = None
        self._started_at = 0.0

    def tend(self) -> None:
        self._retire()
        if self._heir is not None:
            self._watch(self._heir)
        elif self._service.is_running and self._launch.packages != ytdlp_versions.directory():
            # Remembers what it was started with: one that fails is not tried again until the choice changes.
            self._heir = self._launch()
            self._started_at = time.monotonic()

    def _watch(self, heir: Process) -> None:
        if heir.poll() is not None:
            self._say("the engine with another yt-dlp has ended; the one before it goes on")
            self._heir = None
        elif _is_ready(heir):
            self._hand_over(heir)
        elif not self._service.is_running or time.monotonic() - self._started_at > READY_SECONDS:
            self._heir = None
            _end(heir)

    def _hand_over(self, heir: Process) -> None:
        self._heir, self._retiring = None, self._service.process
        self._service.process = heir
        self._service.started_at = time.monotonic()
        self._say(f"the engine now uses yt-dlp {ytdlp_versions.in_use()}")

    def _retire(self) -> None:
        """A tick later than its successor took the socket's name: who has just reached it is still served."""
        retiring, self._retiring = self._retiring, None
        if retiring is not None:
            _end(retiring)


def _is_ready(process: Process) -> bool:
    now = ytdlp_versions.running()
    return now is not None and now.pid == process.pid


def _end(process: Process) -> None:
    """A fork server ends at once when it is told to."""
    process.terminate()
    process.wait()
