"""What sites and people write is shown as words, in every field and by every way onto the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from downloads import names
from downloads.models import Job, JobLog
from downloads.web import listing
from tests.browser.conftest import Tab, publish
from tests.factories import JobFactory

pytestmark = pytest.mark.promise("S13")

PAYLOADS = [
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg onload=window.hit=1>',
    "'><iframe srcdoc='<script>parent.hit=1</script>'>",
    "javascript:window.hit=1",
    "</title><script>window.hit=1</script>",
    "</textarea><script>window.hit=1</script>",
    "{{ 7|add:7 }}{% debug %}",
    "${window.hit=1}",
    '<a href="javascript:window.hit=1" autofocus onfocus=window.hit=1>x</a>',
    "<template><img src=x onerror=window.hit=1></template>",
    '<div hx-get="/" hx-trigger="load" hx-on::load="window.hit=1">',
    "\u202e\u2066<style>*{display:none}</style>",
    "]]><!--<script>window.hit=1</script>",
]


def test_nothing_of_it_runs(tab: Tab, user: User, media_dir: Path) -> None:
    for evil in PAYLOADS:
        job = JobFactory(
            owner=user,
            finished=True,
            title=evil,
            format=evil,
            tags=[evil],
            client_reference=evil,
            metadata={"uploader": evil},
            options={"quality": evil, "path_template": evil},
        )
        file = publish(job, media_dir / "clip.mp4", is_main=True, language=evil[:35], vcodec=evil[:64])
        file.filename = f"{names.safe(evil)}.mp4"
        file.save(update_fields=["filename"])
        JobLog.objects.append(job, [(timezone.now(), "error", evil)])
        page = tab.open(f"/jobs/{job.pk}")
        expect(page.locator("h1")).to_have_text(evil)
        assert page.evaluate("window.hit") is None
    for path in ("/", "/library", "/library?q=%3Cscript%3Ewindow.hit=1%3C/script%3E"):
        page = tab.open(path)
        assert page.evaluate("window.hit") is None


def test_nothing_of_it_runs_when_it_comes_by_the_stream(tab: Tab, user: User) -> None:
    page = tab.open("/")
    shown = PAYLOADS[: listing.WAITING_SHOWN]
    jobs = {evil: Job.submit(owner=user, url="https://a.example/", host="a.example", title=evil) for evil in shown}
    for evil, job in jobs.items():
        expect(page.locator(f'.job-card[data-job="{job.pk}"] .job-title')).to_have_text(evil)
    for job in jobs.values():
        job.start("node-1/1/1")
        job.complete()
    for evil, job in jobs.items():
        expect(page.locator(f'.row[data-job="{job.pk}"] .job-title')).to_have_text(evil)
    expect(page.locator("#announcer")).to_have_text(f"{len(shown)} downloads have ended.")
    assert page.evaluate("window.hit") is None
