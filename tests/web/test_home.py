from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.staticfiles.finders import find
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.limits import Policy, decide
from accounts.models import User
from downloads.models import Batch, Job, JobEvent, Node
from downloads.web import home
from tests.factories import JobFactory, MediaFileFactory
from tests.web.conftest import signed_in

URL = "https://video.example/watch?v=1"
FORM = {
    "urls": URL,
    "quality": "best",
    "video_format": "mp4",
    "audio_format": "mp3",
    "audio_quality": "192",
    "subtitle_languages": "en",
    "subtitle_format": "srt",
    "thumbnail_format": "jpg",
    "priority": "normal",
}
HTMX = {"HX-Request": "true"}


def test_leads_a_stranger_to_the_sign_in_page_and_back(db: None) -> None:
    answer = Client().get("/")
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/sign-in/?next=/"


def test_submits_a_link_and_shows_it_at_the_top(page: Client, user: User) -> None:
    answer = page.post("/", FORM, follow=True)
    job = Job.objects.get()
    assert (job.owner, job.url, job.host, job.options["quality"]) == (user, URL, "video.example", "best")
    assert answer.redirect_chain == [("/", 302)]
    assert str(job.pk) in answer.text
    assert "It is in the queue." in answer.text


def test_answers_htmx_with_the_jobs_alone(page: Client) -> None:
    answer = page.post("/", FORM, headers=HTMX)
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<div class="stack" id="home-jobs"')
    assert str(Job.objects.get().pk) in answer.text


def test_makes_a_job_of_each_line_and_one_of_lines_that_are_the_same(page: Client) -> None:
    page.post("/", FORM | {"urls": f"{URL}\n\n  https://other.example/a \n{URL}\n"})
    assert sorted(Job.objects.values_list("url", flat=True)) == ["https://other.example/a", URL]


def test_a_whole_list_becomes_a_batch_that_reads_it(page: Client) -> None:
    answer = page.post("/", FORM | {"urls": URL, "whole_list": "on", "items": "1-10, 15"}, follow=True)
    batch = Batch.objects.get()
    assert "The list is being read" in answer.text
    assert (batch.kind, batch.url, batch.selection["items"]) == ("playlist", URL, "1-10,15")
    assert batch.options["path_template"].startswith("playlists/")
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"urls": f"{URL}\nhttps://other.example/a"}, "one link at a time"),
        ({"urls": URL, "items": "10-1"}, "ends before it begins"),
        ({"urls": URL, "items": "some"}, "numbers and ranges"),
        ({"urls": "ftp://old.example/list"}, "http"),
    ],
)
def test_a_list_that_cannot_be_asked_for_is_refused(page: Client, fields: dict[str, str], said: str) -> None:
    answer = page.post("/", FORM | {"whole_list": "on"} | fields)
    assert answer.status_code == 422
    assert said in answer.text
    assert not Batch.objects.exists()


def test_refuses_all_lines_when_one_is_wrong_and_says_which(page: Client) -> None:
    answer = page.post("/", FORM | {"urls": f"{URL}\nftp://old.example/file"})
    assert answer.status_code == 422
    assert "ftp://old.example/file: A URL begins with http:// or https://." in answer.text
    assert not Job.objects.exists()


def test_puts_a_refused_form_back_in_its_place(page: Client) -> None:
    answer = page.post("/", FORM | {"urls": "no link"}, headers=HTMX)
    assert (answer.status_code, answer["HX-Retarget"]) == (422, "#download-form")
    assert 'aria-invalid="true"' in answer.text
    assert "no link" in answer.text


def test_says_beside_the_field_what_is_wrong_with_an_option(page: Client) -> None:
    answer = page.post("/", FORM | {"path_template": "../{nonsense}", "clip_start_sec": "soon"})
    errors = answer.context["form"].errors
    assert errors["clip_start_sec"] == ["Write a time as 1:23 or 1:02:03, or in seconds."]
    answer = page.post("/", FORM | {"path_template": "{nonsense}.{ext}", "subtitle_languages": "en, all"})
    errors = answer.context["form"].errors
    assert set(errors) == {"path_template", "subtitle_languages"}
    assert 'id="id_path_template_error"' in answer.text


def test_passes_every_option_on_in_the_words_of_the_api(page: Client) -> None:
    chosen = {
        "quality": "audio",
        "audio_format": "flac",
        "audio_quality": "best",
        "download_subtitles": "on",
        "subtitle_languages": "en, pt-BR de",
        "embed_chapters": "on",
        "sponsorblock_remove": ["sponsor", "intro"],
        "clip_start_sec": "1:02:03",
        "clip_end_sec": "4000.5",
        "path_template": "{uploader}/{safe_title}.{ext}",
        "retention_hours": "24",
        "delete_after_download": "on",
        "priority": "high",
        "tags": "travel,  two words ,",
    }
    page.post("/", FORM | chosen)
    job = Job.objects.get()
    assert (
        job.options
        | {
            "quality": "audio",
            "audio_format": "flac",
            "audio_quality": "best",
            "download_subtitles": True,
            "subtitle_languages": ["en", "pt-BR", "de"],
            "embed_metadata": False,
            "embed_chapters": True,
            "sponsorblock_remove": ["sponsor", "intro"],
            "clip_start_sec": 3723.0,
            "clip_end_sec": 4000.5,
            "path_template": "{uploader}/{safe_title}.{ext}",
            "retention_hours": 24.0,
            "delete_after_download": True,
        }
        == job.options
    )
    assert (job.priority, job.tags, job.retention) == (10, ["travel", "two words"], timedelta(days=1))


def test_takes_what_was_just_downloaded_unless_asked_not_to(page: Client, settings: Settings) -> None:
    settings.DOWNLOAD_REUSE_SECONDS = 300
    for chosen in ({}, {"fetch_again": "on"}, {}):
        page.post("/", FORM | chosen)
    jobs = Job.objects.order_by("pk")
    assert [job.options["reuse"] for job in jobs] == [True, False, True], "it is not remembered"
    assert len({job.fingerprint for job in jobs}) == 2


@pytest.mark.parametrize(
    ("offset", "hour"),
    [("", 12), ("120", 10), ("-330", 17)],
)
def test_reads_the_start_in_the_time_zone_of_the_browser(page: Client, offset: str, hour: int) -> None:
    page.post("/", FORM | {"start_after": "2099-07-01T12:00", "utc_offset": offset})
    assert Job.objects.get().eligible_at == datetime(2099, 7, 1, hour, 30 if offset == "-330" else 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "offset"), [("soon", ""), ("2099-07-01T12:00", "99999"), ("0001-01-01T00:00", "1"), ("\x00", "\x00")]
)
def test_answers_any_start_and_offset(page: Client, start: str, offset: str) -> None:
    assert page.post("/", FORM | {"start_after": start, "utc_offset": offset}).status_code in {302, 422}


def test_shows_what_the_submission_was_refused_for(page: Client, settings: Settings) -> None:
    settings.BLOCKED_DOMAINS = ["video.example"]
    answer = page.post("/", FORM)
    assert answer.status_code == 422
    assert "The operator does not allow this site." in answer.text


def test_submits_nothing_of_several_when_the_quota_ends_among_them(page: Client, settings: Settings) -> None:
    settings.MAX_QUEUED_PER_OWNER = 2
    answer = page.post("/", FORM | {"urls": "\n".join(f"{URL}{number}" for number in range(3))})
    assert answer.status_code == 422
    assert not Job.objects.exists()
    assert not JobEvent.objects.exists()


def test_refuses_more_lines_than_a_batch_may_have(page: Client) -> None:
    answer = page.post("/", FORM | {"urls": "\n".join(f"{URL}{number}" for number in range(101))})
    assert answer.context["form"].errors["urls"] == ["At most 100 links at once; these are 101."]


def test_limits_how_often_the_form_is_sent(page: Client) -> None:
    assert page.post("/", {}).status_code == 422
    for _ in range(home.SUBMISSIONS_PER_MINUTE):
        decide(Policy.of("download", home.SUBMISSIONS_PER_MINUTE), ["address:127.0.0.1"])
    answer = page.post("/", {})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) >= 1


def test_remembers_the_choices_but_not_what_was_for_one_download_only(page: Client) -> None:
    page.post("/", FORM | {"quality": "720p", "retention_hours": "24", "clip_end_sec": "10", "tags": "once"})
    form = page.get("/").context["form"]
    assert (form["quality"].value(), form["retention_hours"].value()) == ("720p", "24")
    assert (form["clip_end_sec"].value(), form["tags"].value(), form["urls"].value()) == (None, None, "")
    assert form["embed_metadata"].value() is False
    assert page.get("/?fresh=1").context["form"]["quality"].value() == "best"


def test_remembers_the_choices_in_another_browser_and_for_nobody_else(page: Client, user: User, other: User) -> None:
    for quality in ("720p", "480p"):
        page.post("/", FORM | {"quality": quality})
    assert page.post("/accounts/sign-out/").status_code == 302
    assert signed_in(user).get("/").context["form"]["quality"].value() == "480p"
    assert signed_in(other).get("/").context["form"]["quality"].value() == "best"


def test_begins_with_the_link_of_the_address(page: Client) -> None:
    answer = page.get("/", {"url": 'https://a.example/"><script>'})
    assert "&quot;&gt;&lt;script&gt;" in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    ("query", "links"),
    [
        ({"url": "https://a.example/"}, "https://a.example/"),
        ({"text": "Look at this: https://a.example/1", "title": "A walk"}, "https://a.example/1"),
        ({"text": "no link at all"}, ""),
    ],
)
def test_begins_with_what_a_phone_shares(page: Client, query: dict[str, str], links: str) -> None:
    manifest = Client().get("/site.webmanifest")
    assert manifest["Content-Type"] == "application/manifest+json"
    icons = manifest.json()["icons"]
    assert {icon["sizes"] for icon in icons} == {"any", "192x192", "512x512"}
    assert all(find(icon["src"].removeprefix("/static/")) for icon in icons)
    target = manifest.json()["share_target"]
    assert (target["action"], target["method"]) == ("/", "GET")
    assert set(query) <= set(target["params"].values())
    assert page.get("/", query).context["form"]["urls"].value() == links


def test_shows_running_then_waiting_in_their_order_then_paused(page: Client, user: User) -> None:
    later = timezone.now() + timedelta(hours=1)
    paused = JobFactory(owner=user, status="paused")
    low = JobFactory(owner=user, priority=-10)
    first = JobFactory(owner=user)
    delayed = JobFactory(owner=user, eligible_at=later)
    high = JobFactory(owner=user, priority=10)
    running = JobFactory(owner=user, running=True)
    cards = page.get("/").context["active"].cards
    assert [card.job for card in cards] == [running, high, first, delayed, low, paused]
    assert [card.position for card in cards] == [None, 1, 2, None, 4, None]


def test_shows_only_the_head_of_a_long_queue(page: Client, user: User) -> None:
    JobFactory.create_batch(13, owner=user)
    answer = page.get("/")
    assert len(answer.context["active"].cards) == 10
    assert "3 more are waiting" in answer.text


def test_the_latest_are_those_that_ended_last(page: Client, user: User) -> None:
    now = timezone.now()
    long = JobFactory(owner=user, broken=True, title="a long one", finished_at=now)
    for minutes in range(1, 12):
        JobFactory(owner=user, finished=True, title=f"{minutes} ago", finished_at=now - timedelta(minutes=minutes))
    JobFactory(owner=user, running=True)
    (gone,) = Job.objects.filter(title="1 ago").discard()
    latest = page.get("/").context["latest"]
    assert [job.title for job in latest] == ["a long one", *(f"{minutes} ago" for minutes in range(2, 11))]
    assert long.pk < gone.pk < latest[1].pk


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads small tables without an index")
def test_the_latest_are_read_from_an_index(user: User) -> None:
    assert "job_ended" in Job.objects.owned_by(user).last_ended()[:10].explain()


def test_shows_nothing_of_anybody_else(page: Client, other: User) -> None:
    JobFactory(owner=other, running=True, title="Secret one")
    MediaFileFactory(job=JobFactory(owner=other, finished=True, title="Secret two"))
    assert "Secret" not in page.get("/").text


def test_asks_the_database_equally_often_however_many_jobs_there_are(
    page: Client, user: User, worker: Node, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def fill() -> None:
        for _ in range(4):
            MediaFileFactory(job=JobFactory(owner=user, finished=True))
            JobFactory(owner=user, running=True)
            JobFactory(owner=user)

    fill()
    page.get("/")
    with django_assert_num_queries(13):
        page.get("/")
    fill()
    with django_assert_num_queries(13):
        page.get("/")


def test_warns_while_no_worker_runs(page: Client) -> None:
    assert "No worker is running" in page.get("/").text
    Node.objects.pulse("node-1", slots=4)
    assert "No worker is running" not in page.get("/").text


def test_tells_operators_alone_what_a_node_lacks(page: Client, operator: User) -> None:
    broken = {"ffmpeg": {"status": "error", "message": "ffmpeg is missing."}}
    Node.objects.pulse("node-1", slots=4, components=broken)
    assert "ffmpeg is missing." not in page.get("/").text
    page.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    assert "node-1: ffmpeg is missing." in page.get("/").text


def test_warns_while_the_api_is_open(page: Client, settings: Settings) -> None:
    settings.REQUIRE_API_KEY = False
    assert "The API is open" in page.get("/").text
