"""Cookies in a real attempt: who is sent them, and where else they could turn up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from downloads import netscape
from downloads.engine.spec import Limits
from downloads.netscape import Cookie
from tests.engine.attempts import FFMPEG, Run
from tests.origin import Origin

pytestmark = pytest.mark.promise("S9")

SECRET = "zq7cookieofthechild"


@pytest.fixture
def jar(tmp_path: Path) -> str:
    return written(tmp_path, "127.0.0.1")


@pytest.fixture
def elsewhere() -> Iterator[Origin]:
    """Another host of the same machine."""
    with Origin(host="127.0.0.2") as running:
        yield running


def written(directory: Path, *domains: str) -> str:
    path = directory / "cookies.txt"
    known = {"path": "/", "is_secure": False, "expires": 4_102_444_800, "name": "session", "value": SECRET}
    path.write_text(
        netscape.write(Cookie(domain=domain, has_subdomains=False, **known) for domain in domains)  # type: ignore[arg-type]
    )
    path.chmod(0o600)
    return str(path)


def cookies_of(origin: Origin) -> set[str | None]:
    return {request.cookie for request in origin.requests}


def test_every_fragment_is_fetched_with_them(run: Run, origin: Origin, jar: str) -> None:
    origin.clear()
    run(f"/needs-cookie/session/{SECRET}/hls/plain/master.m3u8", cookies_file=jar)
    assert len(origin.requests) > 4
    assert cookies_of(origin) == {f"session={SECRET}"}


def test_a_redirect_takes_them_nowhere_else(run: Run, origin: Origin, elsewhere: Origin, jar: str) -> None:
    origin.clear()
    run(f"/redirect-to?url={elsewhere.url('/clip.mp4')}", cookies_file=jar)
    assert cookies_of(origin) == {f"session={SECRET}"}
    assert elsewhere.requests
    assert cookies_of(elsewhere) <= {None, ""}


def test_a_page_that_embeds_another_site_takes_them_nowhere_else(
    run: Run, origin: Origin, elsewhere: Origin, jar: str
) -> None:
    outcome = run(f"/page/og-video?media={elsewhere.url('/clip.mp4')}", cookies_file=jar, write_info_json=True)
    assert outcome.events
    assert cookies_of(elsewhere) <= {None, ""}


def test_they_are_in_nothing_that_the_attempt_leaves(run: Run, jar: str, tmp_path: Path) -> None:
    outcome = run(f"/needs-cookie/session/{SECRET}/hls/plain/master.m3u8", cookies_file=jar, write_info_json=True)
    assert outcome.main["ext"] == "mp4"
    for path in outcome.work.rglob("*"):
        if path.is_file():
            # The address has it too, in this test, and the file's tags have the address.
            content = path.read_bytes().replace(f"needs-cookie/session/{SECRET}".encode(), b"")
            assert SECRET.encode() not in content, path
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["cookies.txt"]


@pytest.mark.parametrize("path", ["clip.mp4", "hls/plain/master.m3u8", "dash/manifest.mpd"])
def test_a_clip_is_cut_here_so_that_no_command_line_shows_them(run: Run, jar: str, tmp_path: Path, path: str) -> None:
    told = Told(tmp_path)
    outcome = run(
        f"/needs-cookie/session/{SECRET}/{path}",
        cookies_file=jar,
        clip_start_sec=2.0,
        clip_end_sec=5.0,
        ffmpeg_location=told.ffmpeg,
    )
    assert outcome.main["duration"] == pytest.approx(3, abs=0.15)
    assert any(str(outcome.work) in words for words in told.all()), "it has seen no ffmpeg at work"
    assert not any(f"session={SECRET}" in words for words in told.all())


@pytest.mark.parametrize("path", ["clip.mp4", "hls/plain/master.m3u8"])
def test_a_clip_that_is_fetched_without_them_is_not_there(run: Run, jar: str, path: str) -> None:
    outcome = run(f"/needs-cookie/session/{SECRET}/{path}", cookies_file=jar, clip_start_sec=100.0)
    assert outcome.error["code"] == "format_unavailable"


def test_what_only_ffmpeg_can_fetch_is_fetched_without_them(run: Run, jar: str, tmp_path: Path) -> None:
    """Its command line is for everybody on the machine to read."""
    told = Told(tmp_path)
    outcome = run("/endless.m3u8", cookies_file=jar, ffmpeg_location=told.ffmpeg, limits=Limits(max_bytes=1000))
    assert outcome.error["code"] == "too_large"
    assert any("/endless.m3u8" in words for words in told.all())
    assert not any(f"session={SECRET}" in words for words in told.all())
    assert "cookies are not given to it" in outcome.log


class Told:
    """What each ffmpeg is told on its command line, by one that writes it down and goes on as the real one."""

    def __init__(self, directory: Path) -> None:
        self._record = directory / "told"
        program = directory / "bin" / "ffmpeg"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {self._record}\nexec {FFMPEG} "$@"\n')
        program.chmod(0o700)
        self.ffmpeg = str(program)

    def all(self) -> list[str]:
        return self._record.read_text().splitlines()
