"""Runs attempts in an attempt server, one at a time, and keeps what they said."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import imageio_ffmpeg

from downloads.engine.spec import DownloadOptions, Event, JobSpec, Limits

DEADLINE_SECONDS = 100
# The wheel's: what the smallest installation has. It starts in a third of Debian's time and has no ffprobe.
FFMPEG = str(imageio_ffmpeg.get_ffmpeg_exe())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    work: Path
    status: int
    events: list[Event]
    seconds: float
    arrivals: list[float] = field(default_factory=list)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.name == name]

    @property
    def error(self) -> dict[str, Any]:
        assert self.named("error"), self.events
        return self.named("error")[-1]

    @property
    def info(self) -> dict[str, Any]:
        return self.named("info")[-1]

    @property
    def files(self) -> list[dict[str, Any]]:
        assert self.named("done"), self.events
        return self.named("file")

    @property
    def main(self) -> dict[str, Any]:
        return next(file for file in self.files if file["is_main"])

    @property
    def main_path(self) -> Path:
        return self.work / str(self.main["path"])

    @property
    def percents(self) -> list[float]:
        return [data["percent"] for data in self.named("progress")]

    @property
    def log(self) -> str:
        return "\n".join(data["message"] for data in self.named("log"))


Run = Callable[..., Outcome]


def ffmpeg(*arguments: object) -> str:
    """What it prints, of a run without errors."""
    command = [FFMPEG, "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def frames(path: Path) -> list[str]:
    """Decoded pictures, without their times, which differ between containers."""
    lines = ffmpeg("-i", path, "-map", "0:v", "-f", "framemd5", "-").splitlines()
    return [line.rsplit(",", 1)[1] for line in lines if not line.startswith("#")]


def tags_of(path: Path) -> dict[str, str]:
    """Of the file, or of its first stream, where Ogg has them."""
    words = ffmpeg("-i", path, "-map_metadata", "0", "-f", "ffmetadata", "-")
    if "=" not in words.replace("encoder=", ""):
        words = ffmpeg("-i", path, "-map_metadata", "0:s:0", "-f", "ffmetadata", "-")
    pairs = (line.split("=", 1) for line in words.splitlines() if "=" in line and not line.startswith(";"))
    return {name.lower(): value.replace("\\", "") for name, value in pairs}


def streams(path: Path) -> list[str]:
    """The kinds of its streams."""
    words = subprocess.run([FFMPEG, "-i", path], capture_output=True, text=True, check=False).stderr
    return [line.split(": ", 2)[1] for line in words.splitlines() if line.strip().startswith("Stream #")]


class AttemptServer:
    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.attempt_server"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "FFMPEG_LOCATION": FFMPEG},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._unread = b""
        assert str(next(self._lines(time.monotonic() + DEADLINE_SECONDS)).name) == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(DEADLINE_SECONDS)
        assert self._process.stdout
        self._process.stdout.close()

    def run(
        self, spec: JobSpec, *, stop_at: Callable[[Event], bool] = lambda event: False, by: int = signal.SIGKILL
    ) -> Outcome:
        """`stop_at` sees each event; the first for which it is true ends the attempt by a signal to its group."""
        assert self._process.stdin
        started = time.monotonic()
        self._process.stdin.write(spec.to_json().encode() + b"\n")
        self._process.stdin.flush()
        pid, events, arrivals = 0, [], []
        for event in self._lines(started + DEADLINE_SECONDS):
            if str(event.name) == "pid":
                pid = event.data["pid"]
            elif event.name == "exit":
                break
            else:
                events.append(event)
                arrivals.append(time.monotonic() - started)
                if stop_at(event):
                    with suppress(ProcessLookupError):
                        os.killpg(pid, by)
        return Outcome(
            work=Path(spec.work_directory),
            status=event.data["status"],
            events=events,
            seconds=time.monotonic() - started,
            arrivals=arrivals,
        )

    def _lines(self, deadline: float) -> Iterator[Event]:
        assert self._process.stdout
        descriptor = self._process.stdout.fileno()
        while True:
            line, mark, rest = self._unread.partition(b"\n")
            if mark:
                self._unread = rest
                yield Event.from_line(line)
                continue
            assert time.monotonic() < deadline, "the attempt takes too long"
            if select.select([descriptor], [], [], 0.5)[0]:
                data = os.read(descriptor, 65536)
                assert data, "the attempt server is gone"
                self._unread += data


def spec_for(url: str, work: Path, *, limits: Limits | None = None, **choices: Any) -> JobSpec:
    """`choices` are fields of the spec or of its options."""
    own = {
        name: choices.pop(name)
        for name in ("cookies_file", "playlist_item", "proxy_url", "ffmpeg_location")
        if name in choices
    }
    work.mkdir(exist_ok=True)
    return JobSpec(
        job_id="test",
        attempt=1,
        url=url,
        work_directory=str(work),
        options=DownloadOptions(**choices),
        limits=limits or Limits(),
        **{"proxy_url": "", "ffmpeg_location": FFMPEG, **own},
    )
