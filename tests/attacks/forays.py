"""One attempt of the real engine inside the enclave, by one way in, at one address."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from downloads.engine.spec import DownloadOptions, Event, JobSpec, Limits
from downloads.engine.supervisor import Attempt
from downloads.engine.tools import find_ffmpeg
from tests.attacks.enclave import STRICT, read_hits
from tests.attacks.poster import post

PARALLEL = 4
SECONDS = 60
CLOSED_PORT = 9
# Relative to the page or manifest that names them, if they are addresses at all (a manifest's "HTTP:" is none, nor is
# one without a host): they lead back to the public site.
_RELATIVE = re.compile(r"(?!https?://[^/])")


def _by(page: str) -> Callable[[str], str]:
    return lambda address: f"http://public.test/{page}?to={quote(address, safe='', errors='surrogatepass')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """`file` is what a working attack would name there; a sidecar that is refused does not cost the video."""

    make: Callable[[str], str]
    file: str = "/x.mp4"
    options: DownloadOptions = field(default_factory=DownloadOptions)
    is_sidecar: bool = False


VECTORS = {
    "submitted": Vector(make=lambda address: address),
    "redirect": Vector(make=_by("redirect")),
    "video": Vector(make=_by("video")),
    "source": Vector(make=_by("source")),
    "og": Vector(make=_by("og")),
    "refresh": Vector(make=_by("refresh")),
    "hls-variant": Vector(make=_by("variant.m3u8"), file="/segment.m3u8?to=/x.ts"),
    "hls-segment": Vector(make=_by("segment.m3u8"), file="/x.ts"),
    "hls-key": Vector(make=_by("key.m3u8"), file="/x.key"),
    "hls-map": Vector(make=_by("map.m3u8"), file="/init.mp4"),
    "dash": Vector(make=_by("manifest.mpd")),
    "ffmpeg": Vector(make=_by("segment.m3u8"), file="/x.ts", options=DownloadOptions(clip_end_sec=1.0)),
    "thumbnail": Vector(
        make=_by("thumbnail"), file="/x.jpg", options=DownloadOptions(write_thumbnail=True), is_sidecar=True
    ),
    "subtitle": Vector(
        make=_by("subtitle"), file="/subtitle.vtt", options=DownloadOptions(download_subtitles=True), is_sidecar=True
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Foray:
    vector: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    foray: Foray
    events: list[Event]
    kinds: list[str]
    seconds: float = 0.0

    @property
    def is_done(self) -> bool:
        return any(event.name == "done" for event in self.events)

    @property
    def may_be_done(self) -> bool:
        return VECTORS[self.foray.vector].is_sidecar or _RELATIVE.match(self.foray.address) is not None

    @property
    def code(self) -> str:
        return self.error.partition(":")[0]

    @property
    def error(self) -> str:
        said = (event.data for event in self.events if event.name == "error")
        return next((f"{data['code']}: {data['message']}" for data in said), "")

    @property
    def sandbox(self) -> str:
        return next((event.data["sandbox"] for event in self.events if event.name == "started"), "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclave:
    directory: Path
    ports: dict[str, int]
    numbers: Any = field(default_factory=itertools.count)

    def hits(self) -> list[dict[str, Any]]:
        return read_hits(self.directory)

    def reached_without_guard(self) -> list[str]:
        return list(json.loads((self.directory / "reached").read_text()))

    def repels(self, forays: Iterable[Foray]) -> list[Result]:
        """Not one connection, and no job that ends well but those that were never led astray."""
        before = len(self.hits())
        results = self.run(forays)
        astray = [result for result in results if result.is_done and not result.may_be_done]
        confined = {result.sandbox for result in results}
        found = (self.hits()[before:], told(astray), confined)
        assert found == ([], {}, {"full"}), found
        return results

    def run(self, forays: Iterable[Foray], guard: str | None = STRICT) -> list[Result]:
        """Without a guard, at a port where nobody listens."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(lambda foray: self._run(foray, guard), forays))

    def post(self, urls: Iterable[str], guard: str = STRICT) -> dict[str, dict[str, Any]]:
        """What came of a webhook's message to each."""
        return post(self.directory / "posts", urls, f"http://127.0.0.1:{self.ports[guard]}")

    def _run(self, foray: Foray, guard: str | None) -> Result:
        work = self.directory / f"work-{next(self.numbers)}"
        work.mkdir()
        vector = VECTORS[foray.vector]
        spec = JobSpec(
            job_id=work.name,
            attempt=1,
            url=vector.make(foray.address),
            work_directory=str(work),
            proxy_url=f"http://127.0.0.1:{self.ports[guard] if guard else CLOSED_PORT}",
            ffmpeg_location=find_ffmpeg() or "",
            options=vector.options,
            limits=Limits(wall_clock_seconds=SECONDS / 2, no_progress_seconds=20),
            require_sandbox=True,
        )
        began = time.monotonic()
        events = _events(spec, self.directory / "forks")
        kinds = [event.data["kind"] for event in events if event.name == "file"]
        return Result(foray=foray, events=events, kinds=kinds, seconds=time.monotonic() - began)


def told(results: list[Result]) -> dict[str, str]:
    return {f"{result.foray.vector} {result.foray.address!r}": result.error for result in results}


def _events(spec: JobSpec, server: Path) -> list[Event]:
    events: list[Event] = []
    deadline = time.monotonic() + SECONDS
    with Attempt.start(spec, server) as attempt:
        while not attempt.is_finished:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{spec.url} goes on and on")
            events += attempt.read(1)
    return events
