"""Tries a yt-dlp before it is used: an engine of its own reads a page and fetches a clip, both made here.

All of it is as for a real attempt, sandbox and guard included; the guard is one that reaches this machine, and no other
site is asked for anything.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings

from downloads import ytdlp_versions
from downloads.engine.spec import Event, JobSpec, Limits, ProbeRequest
from downloads.engine.supervisor import Attempt, ForkServerUnavailable
from downloads.engine.tools import find_ffmpeg
from downloads.processes import Launch, Process
from downloads.succession import bare_python, engine

START_SECONDS = 120.0
ATTEMPT_SECONDS = 60.0
TITLE = "A page to try yt-dlp with"
PAGE = """<!doctype html><html><head><title>{title}</title>
<meta property="og:title" content="{title}"><meta property="og:video" content="{clip}"></head><body></body></html>"""


class TrialError(Exception):
    """Why it cannot be used."""


def run(packages: Path) -> None:
    """Raises TrialError."""
    ffmpeg = find_ffmpeg(settings.FFMPEG_LOCATION)
    if ffmpeg is None:
        raise TrialError("there is no ffmpeg to try it with")
    with ExitStack() as stack:
        # Short, as the path of a socket has to be.
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mediadl-trial-")))
        clip = place / "clip.mp4"
        _make_clip(ffmpeg, clip)
        guard = stack.enter_context(_guard())
        stack.enter_context(_engine(place, packages))
        # It has a thread, and processes are started before there is one.
        site = stack.enter_context(_site(clip.read_bytes()))
        work = Path(settings.RUN_ROOT) / f"trial-{uuid4().hex}"
        work.mkdir(mode=0o700, parents=True)
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        spec = JobSpec(
            job_id="trial",
            attempt=1,
            url=f"{site}/page",
            work_directory=str(work),
            proxy_url=guard,
            ffmpeg_location=ffmpeg,
            limits=Limits(wall_clock_seconds=ATTEMPT_SECONDS, no_progress_seconds=ATTEMPT_SECONDS),
            require_sandbox=settings.REQUIRE_SANDBOX,
        )
        _look(spec, place / "s", packages)
        _download(spec, place / "s", work)


def _look(spec: JobSpec, at: Path, packages: Path) -> None:
    events = _attempt(replace(spec, probe=ProbeRequest(kind="media")), at)
    loaded = _first(events, "started").get("ytdlp_version", "")
    expected = ytdlp_versions.version_in(packages)
    if ytdlp_versions.numbers(loaded) != ytdlp_versions.numbers(expected):
        raise TrialError(f"it says that it is {loaded}, and not {expected}")
    found = _first(events, "result").get("result", {}).get("metadata", {})
    if found.get("title") != TITLE:
        raise TrialError("it does not find the title of a page")


def _download(spec: JobSpec, at: Path, work: Path) -> None:
    events = _attempt(spec, at)
    file = _first(events, "file")
    if not _has(events, "done") or not file.get("size_bytes") or not (work / str(file.get("path"))).is_file():
        raise TrialError("it does not fetch a clip")


def _attempt(spec: JobSpec, at: Path) -> list[Event]:
    events: list[Event] = []
    try:
        with Attempt.start(spec, at) as attempt:
            while not attempt.is_finished:
                events += attempt.read(ATTEMPT_SECONDS)
    except ForkServerUnavailable as error:
        raise TrialError("its engine ends") from error
    if _has(events, "error"):
        error_said = _first(events, "error")
        raise TrialError(f"{error_said.get('code')}: {error_said.get('message')}")
    return events


def _has(events: list[Event], name: str) -> bool:
    return any(event.name == name for event in events)


def _first(events: list[Event], name: str) -> dict[str, Any]:
    return next((event.data for event in events if event.name == name), {})


# --- What it needs around it ------------------------------------------------------------------------------------


def _make_clip(ffmpeg: str, path: Path) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5"]
    command = [ffmpeg, "-v", "error", *picture, "-c:v", "mpeg4", str(path)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)  # noqa: S603 - our own command
    except (OSError, subprocess.SubprocessError) as error:
        raise TrialError("ffmpeg cannot make a clip to try it with") from error


@contextmanager
def _site(clip: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, kind = (clip, "video/mp4") if self.path == "/clip.mp4" else (page, "text/html; charset=utf-8")
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        page = PAGE.format(title=TITLE, clip=f"{address}/clip.mp4").encode()
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _guard() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        arguments = ["-m", "downloads.engine.guard", "--fd", str(listener.fileno())]
        with _running(bare_python(arguments, {"EGRESS_ALLOW": "127.0.0.1"}, [listener.fileno()])):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def _engine(place: Path, packages: Path) -> Iterator[None]:
    """Raises TrialError unless it is ready with these packages."""
    report = place / "report"
    with _running(engine(place / "s", report, packages)) as process:
        deadline = time.monotonic() + START_SECONDS
        while not report.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise TrialError("its engine does not start")
            time.sleep(0.05)
        if json.loads(report.read_text())["overlay"] != str(packages):
            raise TrialError("it cannot be loaded")
        yield


@contextmanager
def _running(launch: Launch) -> Iterator[Process]:
    process = launch()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait()
