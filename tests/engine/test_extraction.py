from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from downloads.engine.spec import Event, JobSpec, ProbeRequest
from downloads.engine.wire import MAX_LINE_BYTES
from tests.engine.extractions import Seen
from tests.engine.sites import HOST
from tests.origin import Origin

Look = Callable[..., Seen]


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.engine.extractions"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        yield running
        assert running.stdin
        running.stdin.close()


@pytest.fixture
def look(process: subprocess.Popen[bytes], tmp_path: Path) -> Look:
    def take(url: str, kind: Literal["media", "list"] = "media", max_items: int = 1000) -> Seen:
        probe = ProbeRequest(kind=kind, max_items=max_items)
        spec = JobSpec(
            job_id="test",
            attempt=1,
            url=url,
            work_directory=str(tmp_path),
            proxy_url="",
            ffmpeg_location="",
            probe=probe,
        )
        assert process.stdin
        assert process.stdout
        process.stdin.write(spec.to_json().encode() + b"\n")
        process.stdin.flush()
        events = []
        for line in process.stdout:
            assert len(line) < MAX_LINE_BYTES
            event = Event.from_line(line)
            if event.name == "exit":
                break
            events.append(event)
        return Seen(events=events)

    return take


def test_a_spec_comes_back_as_it_was() -> None:
    probe = ProbeRequest(kind="list", max_items=7)
    spec = JobSpec(job_id="1", attempt=1, url="", work_directory="", proxy_url="", ffmpeg_location="", probe=probe)
    assert JobSpec.from_json(spec.to_json()) == spec


def test_tells_what_a_page_holds_and_downloads_nothing(look: Look, origin: Origin, tmp_path: Path) -> None:
    seen = look(origin.url("/page/og-video?title=Clouds&media=/big/20000000.mp4"))
    assert seen.names == ["result", "items", "done"]
    assert seen.result["metadata"]["title"] == "Clouds"
    assert [item["ext"] for item in seen.items] == ["mp4"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert origin.bytes_sent("/big/20000000.mp4") < 5_000_000, "at most what the kernel takes before anybody reads"


def test_no_address_of_a_format_leaves(look: Look, origin: Origin) -> None:
    for path in ("/dash/manifest.mpd?token=secret", "/hls/plain/master.m3u8?token=secret"):
        seen = look(origin.url(path))
        assert all("url" not in item for item in seen.items)
        assert "secret" not in str(seen.items)


def test_presets_are_what_a_download_would_take(look: Look, origin: Origin) -> None:
    presets = {preset["quality"]: preset for preset in look(origin.url("/hls/plain/master.m3u8")).result["presets"]}
    assert list(presets) == ["best", "2160p", "1440p", "1080p", "720p", "480p", "360p", "audio"]
    available = {quality for quality, preset in presets.items() if preset["available"]}
    assert available == {"best", "360p", "audio"}
    assert presets["1080p"]["format"] == presets["best"]["format"]


def test_formats_are_told_by_what_they_hold(look: Look, origin: Origin) -> None:
    seen = look(origin.url("/dash/manifest.mpd"))
    assert sorted(item["streams"] for item in seen.items) == ["audio_only", "video_only", "video_only"]
    best = next(preset for preset in seen.result["presets"] if preset["quality"] == "best")
    assert best["format"] == f"{seen.result['best_video_format']}+{seen.result['best_audio_format']}"


def test_of_several_videos_on_a_page_tells_the_first(look: Look, origin: Origin) -> None:
    assert look(origin.url("/page/playlist?n=3")).result["metadata"]["playlist_index"] == 1


def test_reads_a_list_in_small_pieces(look: Look, origin: Origin) -> None:
    seen = look(origin.url("/rss.xml?n=45"), "list")
    assert seen.names == ["result", "items", "items", "items", "done"]
    assert (seen.result["title"], seen.result["description"]) == ("A podcast", "A feed")
    assert [item["playlist_index"] for item in seen.items] == list(range(1, 46))
    assert seen.items[2] == {
        "id": "episode-3",
        "title": "Episode 3",
        "duration": None,
        "thumbnail": None,
        "uploader": None,
        "upload_date": "20260104",
        "view_count": None,
        "extractor": None,
        "url": origin.url("/item/3.mp4"),
        "playlist_index": 3,
    }


def test_reads_one_more_than_the_bound_so_that_it_can_be_said(look: Look, origin: Origin) -> None:
    assert len(look(origin.url("/rss.xml?n=200"), "list", 30).items) == 31


def test_looks_at_no_entry_of_a_list(look: Look, origin: Origin) -> None:
    origin.clear()
    look(origin.url("/rss.xml?n=9"), "list")
    assert {request.path for request in origin.requests} == {"/rss.xml"}


def test_an_item_without_a_page_of_its_own_is_named_by_its_number(look: Look, origin: Origin) -> None:
    url = origin.url("/page/playlist?n=2")
    assert [(item["url"], item["playlist_index"]) for item in look(url, "list").items] == [(url, 1), (url, 2)]


def test_a_single_item_is_no_list(look: Look, origin: Origin) -> None:
    seen = look(origin.url("/clip.mp4"), "list")
    assert (seen.names, seen.error) == (["error"], "unsupported_url")


@pytest.mark.parametrize("kind", ["media", "list"])
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/status/404/clip.mp4", "not_found"),
        ("/status/429/clip.mp4", "rate_limited"),
        ("/page/playlist?n=0", "unsupported_url"),
    ],
)
def test_a_failure_is_classified(look: Look, origin: Origin, kind: Any, path: str, code: str) -> None:
    seen = look(origin.url(path), kind)
    assert (seen.names, seen.error) == (["error"], code)


def test_a_channel_s_front_page_is_what_its_tabs_list(look: Look) -> None:
    seen = look(f"{HOST}/channel", "list")
    assert seen.result["title"] == "A channel"
    assert [(item["playlist_index"], item["url"]) for item in seen.items] == [
        (1, f"{HOST}/watch/one"),
        (2, f"{HOST}/watch/two"),
        (3, f"{HOST}/watch/three"),
    ]


def test_a_date_that_no_calendar_has_is_none(look: Look) -> None:
    assert [item["upload_date"] for item in look(f"{HOST}/dates", "list").items] == ["20260101", None, None]


@pytest.mark.parametrize(
    ("kind", "path", "code"),
    [
        ("media", "empty", "not_found"),
        ("media", "mute", "not_found"),
        ("list", "mute", "not_found"),
        ("list", "maze/1", "unsupported_url"),
    ],
)
def test_a_site_that_leads_to_nothing_is_no_defect_of_ours(look: Look, kind: Any, path: str, code: str) -> None:
    seen = look(f"{HOST}/{path}", kind)
    assert (seen.names, seen.error) == (["error"], code)


def test_a_list_without_entries_is_told_as_one(look: Look) -> None:
    seen = look(f"{HOST}/empty", "list")
    assert (seen.names, seen.result["title"]) == (["result", "done"], "Nothing")


def test_hostile_words_are_told_clean(look: Look, origin: Origin) -> None:
    title = look(origin.url("/page/og-video?title=a%00b%1b%5B31m%ED%A0%80c")).result["metadata"]["title"]
    assert "\x00" not in title
    assert "\x1b" not in title
