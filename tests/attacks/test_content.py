"""S5 and S6: media that are something else are refused, no other file gets into what is published, and what is
published is inert in a browser whatever its bytes are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from tests.attacks.hostile import HostileSite
from tests.origin import Origin
from tests.product import Product, wait_until

pytestmark = [pytest.mark.promise("S5", "S6"), pytest.mark.processes, pytest.mark.timeout(240)]

SECRET = "zq7-secret-of-another-file"
SCRIPT = "<script>window.hit=1;top.hit=1;fetch('/api/v1/me')</script>"
PAGE = f"<!doctype html><html><body>{SCRIPT}</body></html>"
DRAWING = f'<svg xmlns="http://www.w3.org/2000/svg" onload="window.hit=1">{SCRIPT}</svg>'
SHORT_PAGE = b"<script>window.hit=1</script>"
SHORT_DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.hit=1"/>'


def lies(product: Product, other: Path) -> dict[str, bytes]:
    """Bodies that are no media; those that refer to files refer to ours and to the system's."""
    secret = product.data_dir / "secret.txt"
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT8S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="0" '
        f'bandwidth="1"><BaseURL>file://{other}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    )
    texts = {
        "page": PAGE,
        "drawing": DRAWING,
        "playlist": f"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "playlist of another job": f"#EXTM3U\n#EXTINF:8,\n{other}\n#EXTINF:8,\nfile://{other}\n#EXT-X-ENDLIST\n",
        "playlist with a map": f'#EXTM3U\n#EXT-X-MAP:URI="file://{other}"\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n',
        "playlist behind space": f"\n\n#EXTM3U\n#EXTINF:8,\n{other}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{other}'\nfile '/etc/passwd'\n",
        "concat without its mark": f"file '{other}'\nfile '{secret}'\n",
        "manifest": dash,
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "shell script": f"#!/bin/sh\ncat {secret}\n",
        "python": f"import os\nprint(open({str(secret)!r}).read())\n",
        "m3u": f"{other}\n/etc/passwd\n",
        "asx": f'<asx version="3.0"><entry><ref href="file://{other}"/></entry></asx>',
        "xspf": f"<?xml version='1.0'?><playlist><track><location>file://{other}</location></track></playlist>",
    }
    binaries = {
        "program": b"\x7fELF\x02\x01\x01" + bytes(6000),
        "windows program": b"MZ\x90\x00" + bytes(6000),
        "archive": b"PK\x03\x04" + bytes(6000),
        "tagged playlist": b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + texts["playlist of another job"].encode(),
    }
    return {name: text.encode() for name, text in texts.items()} | binaries


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileSite]:
    with HostileSite() as site:
        yield site


@pytest.fixture(scope="module")
def other_file(product: Product, origin: Origin) -> Path:
    """Another job's published file, and a secret beside it."""
    (product.data_dir / "secret.txt").write_text(SECRET)
    job = product.wait_for(product.submit(origin.url("/other.mp4"), embed_metadata=False)["request_id"])
    assert job["status"] == "completed"
    return next(iter((product.data_dir / "files" / str(job["request_id"])).rglob("*.mp4")))


def published(product: Product, job: dict[str, Any]) -> list[bytes]:
    return [product.fetch(file["file_url"]).content for file in job["files"]]


def finished(product: Product, jobs: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {name: product.wait_for(job_id) for name, job_id in jobs.items()}


@pytest.mark.parametrize(
    "options",
    [{}, {"audio_only": True}, {"video_format": "mkv"}, {"clip_end_sec": 1.0}],
    ids=["as it is", "as audio", "in another container", "as a clip"],
)
def test_media_that_are_something_else_are_refused(
    product: Product, hostile: HostileSite, other_file: Path, options: dict[str, Any]
) -> None:
    jobs = {}
    for number, (name, body) in enumerate(lies(product, other_file).items()):
        address = hostile.put(f"/{number}.mp4", "video/mp4", body)
        page = f'<html><head><meta property="og:video" content="{address}"><title>x</title></head></html>'
        hostile.put(f"/{number}.html", "text/html", page)
        if not options:
            jobs[name] = product.submit(address, timeout_sec=60)["request_id"]
        jobs[f"{name} by a page"] = product.submit(f"{hostile.base}/{number}.html", **options)["request_id"]
    told = {name: (job["status"], job["error_code"]) for name, job in finished(product, jobs).items()}
    assert {name: said for name, said in told.items() if said[0] != "failed"} == {}
    allowed = {"unsafe_content", "unsupported_url", "not_found", "url_blocked", "postprocessing_failed"}
    assert {name: said for name, said in told.items() if said[1] not in allowed} == {}


@pytest.mark.parametrize("role", ["subtitle", "thumbnail"])
def test_sidecars_that_are_something_else_bring_nothing_foreign(
    product: Product, hostile: HostileSite, other_file: Path, origin: Origin, role: str
) -> None:
    jobs = {}
    for number, (name, body) in enumerate(lies(product, other_file).items()):
        address = hostile.put(f"/{role}-{number}.{'vtt' if role == 'subtitle' else 'jpg'}", "image/jpeg", body)
        media, shown = escape(origin.url("/clip.mp4")), escape(address)
        track = f'<track kind="subtitles" srclang="en" src="{shown}">' if role == "subtitle" else ""
        poster = f'poster="{shown}"' if role == "thumbnail" else ""
        page = f'<html><title>x</title><video {poster}><source src="{media}" type="video/mp4">{track}</video></html>'
        chosen = (
            {"download_subtitles": True, "embed_subtitles": True}
            if role == "subtitle"
            else {"write_thumbnail": True, "embed_thumbnail": True}
        )
        jobs[name] = product.submit(hostile.put(f"/{role}-{number}.html", "text/html", page), **chosen)["request_id"]
    foreign = (SECRET.encode(), b"root:x:0:0", other_file.read_bytes()[1000:1100])
    for name, job in finished(product, jobs).items():
        assert job["error_code"] in {None, "postprocessing_failed"}, (name, job["error_code"])
        for content in published(product, job):
            assert not [secret for secret in foreign if secret in content], name
        assert {file["kind"] for file in job["files"]} <= {"media", "subtitle"}, name


def test_no_file_of_the_store_holds_anothers_secret(product: Product, other_file: Path) -> None:
    """After all of the above, in whatever order."""
    for path in (product.data_dir / "files").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert SECRET.encode() not in content
            assert b"root:x:0:0" not in content


@pytest.mark.browser
def test_whatever_lies_on_the_disk_is_inert_in_a_browser(product: Product, origin: Origin, page: Page) -> None:
    """Even bytes that slipped through the checks: they are put in the place of a published file here."""
    job = product.wait_for(
        product.submit(
            origin.url("/page/subtitles"), download_subtitles=True, write_thumbnail=True, write_info_json=True
        )["request_id"]
    )
    assert {file["kind"] for file in job["files"]} >= {"media", "subtitle", "info_json"}
    stored = [path for path in (product.data_dir / "files" / job["request_id"]).rglob("*") if path.is_file()]
    for body in (SHORT_PAGE, SHORT_DRAWING):
        for path in stored:  # of the same size: the store is compared with its rows
            assert path.stat().st_size >= len(body)
            path.write_bytes(body.ljust(path.stat().st_size))
        for file in job["files"]:
            for address in (file["file_url"], f"{file['file_url']}?inline=1"):
                look_at(page, address, product)


def look_at(page: Page, address: str, product: Product) -> None:
    """By itself, and inside a page of the product's own."""
    headers = product.fetch(address).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"].partition(";")[0] not in {"text/html", "image/svg+xml", "application/xhtml+xml"}
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "inline=1" in address or headers["Content-Disposition"].startswith("attachment")
    with suppress(PlaywrightError):  # a download is no page
        page.goto(address)
    assert page.evaluate("window.hit === undefined"), address
    page.goto(f"http://127.0.0.1:{product.port}/help")
    loaded = page.evaluate(
        """async (address) => {
            const wait = (element) => new Promise((done) => {
                element.onload = element.onerror = () => done(); document.body.append(element); setTimeout(done, 1000);
            });
            for (const [tag, name] of [["script", "src"], ["iframe", "src"], ["object", "data"], ["embed", "src"]]) {
                const element = document.createElement(tag); element[name] = address; await wait(element);
            }
            return window.hit === undefined;
        }""",
        address,
    )
    assert loaded, json.dumps(address)


def test_the_work_of_attacks_leaves_nothing_behind(product: Product) -> None:
    work = product.data_dir / "work"
    wait_until(lambda: not [path for path in work.iterdir() if path.is_dir()], 60, what="an empty work directory")
