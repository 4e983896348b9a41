"""S4 and S13: what a site calls its media goes through the whole product, from its page to ours, as words."""

from __future__ import annotations

import json
import re
import unicodedata
from html import escape
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page

from tests.attacks.hostile import HostileSite
from tests.origin import Origin
from tests.product import Product

pytestmark = [pytest.mark.promise("S4", "S13"), pytest.mark.processes, pytest.mark.browser, pytest.mark.timeout(300)]

PAYLOADS = [
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "'><iframe srcdoc='<script>parent.hit=1</script>'>",
    "</title><script>window.hit=1</script>",
    "</textarea></style></noscript><script>window.hit=1</script>",
    "javascript:window.hit=1",
    '" autofocus onfocus=window.hit=1 x="',
    "<a href=javascript:window.hit=1>here</a>",
    "<template><img src=x onerror=window.hit=1></template>",
    '<div hx-get="/" hx-trigger="load" hx-on::load="window.hit=1">',
    "<form action=https://evil.example><input name=password></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "{{7*7}}",
    "{{ 7|add:7 }}{% debug %}{% include 'admin/base.html' %}",
    "${window.hit=1}#{7*7}<%= 7*7 %>",
    "{title.__class__} %(title)s %s {0} {id}",
    "\u202egpj.exe\u2066\u200b\u200f",
    "a\x00b\x01c\x1b[31md\x7fe\u0085f",
    "line\r\nX-Injected: 1\r\n\r\n<script>window.hit=1</script>",
    "x" * 5000,
    "\U0001f600" * 1500,
    "../../../../etc/passwd",
    "..\\..\\..\\windows\\system32\\con",
    "/etc/passwd\x00.mp4",
    "CON.mp4",
    "....//....//.ssh/authorized_keys",
    'a"; filename="evil.exe"; x="',
    "%2e%2e%2f%00%0d%0aX-Injected:1",
    "e\u0301" * 400 + "\u0300" * 400,
    "]]><!--<script>window.hit=1</script>-->",
    "'; DROP TABLE downloads_job; --",
]


@pytest.fixture(scope="module")
def jobs(product: Product, origin: Origin) -> list[dict[str, Any]]:
    """One for each payload, downloaded from a page that bears it in every field that it has."""
    with HostileSite() as site:
        ids = [product.submit(site.put(*page_of(number, origin)))["request_id"] for number in range(len(PAYLOADS))]
        return [product.wait_for(job_id, seconds=120) for job_id in ids]


def page_of(number: int, origin: Origin) -> tuple[str, str, str]:
    evil = PAYLOADS[number]
    described = {
        "@context": "https://schema.org",
        "@type": "VideoObject",
        **dict.fromkeys(("name", "description", "genre", "keywords"), evil),
        "contentUrl": origin.url("/clip.mp4"),
        "uploadDate": "2026-01-01",
        "author": {"@type": "Person", "name": evil},
    }
    shown = escape(evil.replace("\0", "&#0;"))
    head = (
        f'<title>{shown}</title><meta property="og:title" content="{shown}">'
        f'<meta property="og:description" content="{shown}"><meta name="author" content="{shown}">'
        f'<script type="application/ld+json">{json.dumps(described).replace("<", chr(92) + "u003c")}</script>'
    )
    return f"/{number}.html", "text/html; charset=utf-8", f"<!doctype html><html><head>{head}</head></html>"


def test_all_of_them_are_downloaded(jobs: list[dict[str, Any]]) -> None:
    assert len(PAYLOADS) >= 25
    assert {job["status"] for job in jobs} == {"completed"}
    bearing = [
        job for job, evil in zip(jobs, PAYLOADS, strict=True) if evil[:5].strip() and job["title"][:3] == evil[:3]
    ]
    assert len(bearing) > len(PAYLOADS) / 2  # so that it is the payload which went through, and not some default


def test_what_is_told_has_no_control_characters(jobs: list[dict[str, Any]]) -> None:
    for job in jobs:
        texts = [job["title"], *(value for value in job["metadata"].values() if isinstance(value, str))]
        for text in texts:
            assert not [mark for mark in text if unicodedata.category(mark) in {"Cc", "Cs"} and mark not in "\r\n\t"], (
                text
            )


def test_names_are_safe_wherever_they_are_used(product: Product, jobs: list[dict[str, Any]]) -> None:
    for job in jobs:
        for file in job["files"]:
            headers = product.fetch(file["file_url"], Range="bytes=0-0").headers
            assert "X-Injected" not in headers
            disposition = headers["Content-Disposition"]
            match = re.fullmatch(
                r"attachment; filename=\"([^\"\\]+)\"; filename\*=UTF-8''([\w.~!$&+^`|%-]+)", disposition
            )
            assert match, disposition
            for name in (match[1], unquote(match[2]), file["filename"]):
                assert_safe(name)


def assert_safe(name: str) -> None:
    assert len(name.encode()) <= 200, name
    assert not set(name) & set('/\\:*?"<>|\r\n\0'), name
    assert not name.startswith((".", " ", "-")) or name.startswith("-"), name
    assert not [mark for mark in name if unicodedata.category(mark)[0] == "C"], name
    assert name.endswith(".mp4")


def test_files_lie_where_ids_say(product: Product, jobs: list[dict[str, Any]]) -> None:
    root = product.data_dir / "files"
    for job in jobs:
        paths = [path for path in (root / job["request_id"]).rglob("*") if path.is_file()]
        assert len(paths) == len(job["files"])
        for path in paths:
            assert re.fullmatch(r"[0-9a-f-]{36}/\d+/[0-9a-f-]{36}\.\w{1,5}", str(path.relative_to(root)))


def test_nothing_of_it_runs_on_any_page(product: Product, jobs: list[dict[str, Any]], page: Page) -> None:
    complaints: list[str] = []
    root = f"http://127.0.0.1:{product.port}"
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.on(
        "request", lambda request: None if request.url.startswith((root, "data:")) else complaints.append(request.url)
    )
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    ids = [job["request_id"] for job in jobs]
    paths = ["/", "/active", "/library", "/library?q=script", "/library?q=%3Cscript%3Ewindow.hit%3D1%3C/script%3E"]
    paths += [f"/jobs/{job_id}" for job_id in ids]
    paths += [f"/jobs/{ids[0]}/log"]
    tables = ("job", "mediafile", "jobevent", "joblog")
    paths += [f"/admin/downloads/{table}/" for table in tables]
    paths += [f"/admin/downloads/job/{job_id}/change/" for job_id in ids[:12]]
    for path in paths:
        answer = page.goto(f"{root}{path}")
        assert answer, path
        assert answer.status == 200, path
        assert page.evaluate("window.hit === undefined"), path
        assert page.evaluate("window.violations") == [], path
        assert page.url.startswith(root), path
        assert "49" not in page.title() or "7*7" not in page.title()
    assert complaints == []
