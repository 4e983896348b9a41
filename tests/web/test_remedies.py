"""The buttons beside an error, and the form that they lead to."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.models import User
from downloads import cookies
from downloads.engine.errors import ERRORS, ErrorCode, JobError
from downloads.models import Batch, BatchStatus, CookieJar, Job, Probe, ProbeKind
from tests.factories import BatchFactory, JobFactory
from tests.web.test_home import FORM, HTMX, URL

LINES = ".video.example\tTRUE\t/\tTRUE\t4102444800\tsession\tvalue\n"


def failed(user: User, code: str, **fields: Any) -> Job:
    return JobFactory(owner=user, broken=True, error_code=code, url=URL, host="video.example", **fields)


def buttons(page: Client, job: Job) -> list[str]:
    return [step.label for step in page.get(f"/jobs/{job.pk}").context["steps"]]


@pytest.mark.parametrize(
    ("code", "labels"),
    [
        ("login_required", ["Add cookies"]),
        ("bot_check", ["Add cookies"]),
        ("cookies_gone", ["Add cookies"]),
        ("format_unavailable", ["Choose a format"]),
        ("too_large", ["Choose a format"]),
        ("postprocessing_failed", ["Choose a format"]),
        ("live_not_started", ["Choose a time"]),
        ("not_found", ["Correct the link"]),
        ("quota_exceeded", ["Make room", "See your usage"]),
        ("network_error", []),
        ("drm_protected", []),
    ],
)
def test_each_error_has_the_button_that_mends_it(page: Client, user: User, code: str, labels: list[str]) -> None:
    job = failed(user, code)
    text = page.get(f"/jobs/{job.pk}").text
    assert buttons(page, job) == labels
    assert text.count(f'action="/jobs/{job.pk}/retry"') == 1


@pytest.mark.parametrize("code", sorted(code for code in ErrorCode if "cookies" in ERRORS[code].remedy))
def test_where_cookies_are_the_remedy_they_can_be_added(page: Client, user: User, code: ErrorCode) -> None:
    assert ("Add cookies" in buttons(page, failed(user, code))) is (code != ErrorCode.RATE_LIMITED)


def test_nothing_has_to_be_mended_while_it_is_tried_again(page: Client, user: User) -> None:
    job = JobFactory(owner=user, error_code="rate_limited", attempt=1)
    text = page.get(f"/jobs/{job.pk}").text
    assert "trouble is-passing" in text
    assert f"/jobs/{job.pk}/retry" not in text


def test_leads_by_the_cookies_back_to_the_same_request(page: Client, user: User) -> None:
    page.post("/", FORM | {"quality": "720p", "tags": "one, two", "retention_hours": "24", "priority": "high"})
    job = Job.objects.get()
    Job.objects.update(status="failed", error_code="login_required", finished_at=job.created_at)
    address = page.get(f"/jobs/{job.pk}").context["steps"][0].address
    shown = page.get(address)
    then = shown.context["next"]
    assert "Store and go back" in shown.text
    refused = page.post("/cookies/new", {"text": "", "next": then})
    assert (refused.status_code, refused.context["next"]) == (422, then)
    answer = page.post("/cookies/new", {"text": LINES, "next": then}, follow=True)
    form = answer.context["form"]
    chosen = {name: form[name].value() for name in ("urls", "quality", "tags", "retention_hours", "priority")}
    assert chosen == {"urls": URL, "quality": "720p", "tags": "one, two", "retention_hours": "24", "priority": "high"}
    assert form["cookies_id"].value() == str(CookieJar.objects.get().pk)
    assert '<details class="options fold" open>' in answer.text


def test_offers_the_cookies_that_are_there_for_the_site_once(page: Client, user: User) -> None:
    jar = cookies.store(user, LINES, "My site")
    cookies.store(user, LINES.replace("video.example", "other.example"), "Another")
    job = failed(user, "login_required")
    assert buttons(page, job) == ["Use the cookies My site", "Add cookies"]
    form = page.get(page.get(f"/jobs/{job.pk}").context["steps"][0].address).context["form"]
    assert form["cookies_id"].value() == str(jar.pk)
    Job.objects.update(options={"cookies_id": str(jar.pk)})
    assert buttons(page, job) == ["Add cookies"]


@pytest.mark.parametrize("then", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_cookies_never_lead_elsewhere(page: Client, then: str) -> None:
    assert page.get("/cookies", {"next": then}).context["next"] == ""
    assert page.post("/cookies/new", {"text": LINES, "next": then})["Location"] == "/cookies"


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"quality": "4k"}, "quality", "2160p"),
        ({"audio_only": True, "audio_format": "flac"}, "quality", "audio"),
        ({"audio_only": True, "audio_format": "flac"}, "audio_format", "flac"),
        ({"download_subtitles": True, "subtitle_languages": ["en", "de"]}, "subtitle_languages", "en, de"),
        ({"clip_start_sec": 3723.5}, "clip_start_sec", "3723.5"),
        ({"retention_hours": 24.0}, "retention_hours", "24"),
        ({"retention_hours": 7.5}, "retention_hours", ""),
        ({"reuse": False}, "fetch_again", True),
        ({"webhook_url": "https://hook.example/"}, "webhook_url", "https://hook.example/"),
        ({"path_template": "{title}.{ext}"}, "path_template", "{title}.{ext}"),
        ({"path_template": "playlists/{playlist}/{playlist_index:03d}-{title}.{ext}"}, "path_template", None),
    ],
)
def test_fills_the_form_with_what_was_asked_for(
    page: Client, user: User, options: dict[str, Any], field: str, value: Any
) -> None:
    job = JobFactory(owner=user, url=URL, options=options)
    form = page.get("/", {"again": str(job.pk)}).context["form"]
    assert (form["urls"].value(), form[field].value()) == (URL, value)


def test_what_was_asked_for_can_be_sent_as_it_is(page: Client, user: User) -> None:
    page.post(
        "/", FORM | {"clip_end_sec": "1:00", "sponsorblock_remove": ["intro"], "webhook_url": "https://h.example/"}
    )
    job = Job.objects.get()
    form = page.get("/", {"again": str(job.pk)}).context["form"]
    sent = {name: form[name].value() for name in form.fields}
    page.post("/", {name: value for name, value in sent.items() if value not in (None, False)})
    again = Job.objects.exclude(pk=job.pk).get()
    assert (again.url, again.options) == (job.url, job.options)


def test_an_entry_of_a_list_without_a_page_of_its_own_is_asked_for_by_its_number(page: Client, user: User) -> None:
    job = JobFactory(owner=user, url=URL, playlist_item=7)
    form = page.get("/", {"again": str(job.pk)}).context["form"]
    assert (form["whole_list"].value(), form["items"].value()) == (True, "7")


@pytest.mark.parametrize("job_id", ["nothing", "\0", "0190a1b2-0000-7000-8000-000000000000"])
def test_of_what_is_not_there_the_form_is_empty(page: Client, job_id: str) -> None:
    assert page.get("/", {"again": job_id}).context["form"]["urls"].value() == ""


def test_of_others_nothing_is_shown(page: Client, other: User) -> None:
    job = JobFactory(owner=other, url="https://secret.example/")
    assert "secret.example" not in page.get("/", {"again": str(job.pk)}).text


def test_a_link_that_wants_cookies_says_where_to_add_them(page: Client, user: User) -> None:
    page.post("/preview", FORM, headers=HTMX)
    probe = Probe.objects.get()
    probe.start("node-1/1/1")
    probe.fail(JobError(ErrorCode.LOGIN_REQUIRED))
    text = page.get(f"/preview/{probe.pk}", headers=HTMX).text
    then = quote("/?url=" + quote(URL, safe=""), safe="")
    assert f'href="/cookies?next={then}"' in text
    batch = BatchFactory(owner=user, kind="playlist", url=URL)
    Batch.objects.update(
        status=BatchStatus.FAILED, finished_at=batch.created_at, error_code="private", error_message="It is private."
    )
    assert "Add cookies" in page.get(f"/batches/{batch.pk}").text
    page.post("/lists", {"url": URL})
    listed = Probe.objects.get(kind=ProbeKind.LIST)
    listed.start("node-1/1/1")
    listed.fail(JobError(ErrorCode.PRIVATE))
    assert "Add cookies" in page.get(f"/lists/{listed.pk}").text
