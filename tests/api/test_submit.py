"""POST /download."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Scope, User
from downloads import names
from downloads.models import Job, JobEvent, Priority, Status
from tests.api.conftest import URL, Api, code_of, key_of
from tests.factories import JobFactory
from tests.vanishing import after_reading

pytestmark = [pytest.mark.promise("S3"), pytest.mark.django_db]

DEFAULTS = {
    "quality": "best",
    "custom_format": None,
    "video_format": "mp4",
    "allow_recode": False,
    "audio_only": False,
    "audio_format": "mp3",
    "audio_quality": "192",
    "download_subtitles": False,
    "subtitle_languages": ["en"],
    "subtitle_format": "srt",
    "embed_subtitles": False,
    "auto_subtitles": False,
    "write_thumbnail": False,
    "thumbnail_format": "jpg",
    "embed_thumbnail": False,
    "embed_metadata": True,
    "embed_chapters": False,
    "write_info_json": False,
    "sponsorblock_remove": [],
    "clip_start_sec": None,
    "clip_end_sec": None,
    "path_template": None,
    "cookies_id": None,
    "timeout_sec": 1800,
    "max_size_bytes": 10 * 1024**3,
    "retention_hours": 1.0,
    "delete_after_download": False,
    "reuse": True,
    "webhook_url": None,
    "webhook_events": ["download.completed", "download.failed"],
}


def test_creates_a_queued_job_and_says_where_it_is(api: Api, user: User) -> None:
    answer = api.post("/download", {"url": URL})
    body = answer.json()
    job = Job.objects.get()
    assert answer.status_code == 201
    assert answer["Location"] == f"/api/v1/download/{job.pk}"
    assert api.client.get(answer["Location"]).json()["request_id"] == body["request_id"] == str(job.pk)
    assert (body["status"], body["url"], body["attempt"], body["progress_percent"]) == ("queued", URL, 0, 0.0)
    assert (job.owner, job.host, job.status) == (user, "videos.example.com", Status.QUEUED)
    assert job.api_key is not None
    assert [event.kind for event in JobEvent.objects.all()] == ["queued"]


def test_rings_for_a_worker(api: Api) -> None:
    from django_q.models import OrmQ

    api.post("/download", {"url": URL})
    assert OrmQ.objects.filter(key="download").count() == 1


def test_fills_in_the_defaults(api: Api) -> None:
    assert api.post("/download", {"url": URL}).json()["options"] == DEFAULTS


def test_takes_the_options_that_it_shows(api: Api) -> None:
    options = api.post("/download", {"url": URL}).json()["options"]
    assert api.post("/download", {"url": URL, **options}).json()["options"] == options


def test_keeps_everything_that_was_chosen(api: Api) -> None:
    chosen = {
        "quality": "720p",
        "custom_format": "137+140/22",
        "video_format": "mkv",
        "allow_recode": True,
        "audio_only": True,
        "audio_format": "flac",
        "audio_quality": "best",
        "download_subtitles": True,
        "subtitle_languages": ["en", "pt-BR", "zh-Hans", "en-nP7-2PuUl7o"],
        "subtitle_format": "vtt",
        "embed_subtitles": True,
        "auto_subtitles": True,
        "write_thumbnail": True,
        "thumbnail_format": "webp",
        "embed_thumbnail": True,
        "embed_metadata": False,
        "embed_chapters": True,
        "write_info_json": True,
        "sponsorblock_remove": ["sponsor", "intro"],
        "clip_start_sec": 1.5,
        "clip_end_sec": 9.0,
        "path_template": "{uploader}/{playlist_index:03d} {title}.{ext}",
        "cookies_id": None,
        "timeout_sec": 60,
        "max_size_bytes": 1_000_000,
        "retention_hours": 0.5,
        "delete_after_download": True,
        "reuse": False,
        "webhook_url": "https://hooks.example.com/x",
        "webhook_events": ["download.completed"],
    }
    assert set(chosen) == set(DEFAULTS)
    assert api.post("/download", {"url": URL, **chosen}).json()["options"] == chosen
    assert Job.objects.get().retention == timedelta(minutes=30)


def test_returns_tags_priority_and_reference_as_they_came(api: Api) -> None:
    sent = {"tags": ["a b", "ü"], "priority": "high", "client_reference": "  my <ref>\n "}
    body = api.post("/download", {"url": URL, **sent}).json()
    assert {name: body[name] for name in sent} == sent
    assert Job.objects.get().priority == Priority.HIGH


def test_waits_for_the_time_to_start(api: Api) -> None:
    moment = timezone.now() + timedelta(hours=2)
    answer = api.post("/download", {"url": URL, "start_after": moment.isoformat()})
    job = Job.objects.get()
    assert job.eligible_at == moment
    assert api.get(f"/download/{job.pk}").json()["queue_position"] is None
    assert answer.status_code == 201


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "1999-12-31t23:59:59.5z", "2020-02-29T00:00:00-12:00"])
def test_a_time_to_start_that_has_passed_is_now(api: Api, moment: str) -> None:
    before = timezone.now()
    assert api.post("/download", {"url": URL, "start_after": moment}).status_code == 201
    assert before <= Job.objects.get().eligible_at <= timezone.now()


def test_a_time_to_start_at_the_end_of_the_calendar_is_kept(api: Api) -> None:
    assert api.post("/download", {"url": URL, "start_after": "9999-12-31T23:59:59-23:59"}).status_code == 201
    assert Job.objects.get().eligible_at.year == 9999


def test_a_client_cannot_raise_the_operators_size_limit(api: Api, settings: Settings) -> None:
    settings.MAX_FILE_SIZE_BYTES = 1000
    assert api.post("/download", {"url": URL, "max_size_bytes": 2**62}).json()["options"]["max_size_bytes"] == 1000
    assert api.post("/download", {"url": URL, "max_size_bytes": 10}).json()["options"]["max_size_bytes"] == 10


@pytest.mark.parametrize(
    ("sent", "kept", "host"),
    [
        ("HTTPS://Videos.Example.COM/Watch", "https://videos.example.com/Watch", "videos.example.com"),
        ("http://bücher.example/ü?q=ü", "http://xn--bcher-kva.example/ü?q=ü", "xn--bcher-kva.example"),
        ("http://\uff45xample.com", "http://example.com", "example.com"),
        ("http://example.com.:8080/", "http://example.com:8080/", "example.com"),
        ("http://[2001:DB8::1]:443/a", "http://[2001:db8::1]:443/a", "2001:db8::1"),
        ("https://videos.example.com/@channel/a@b", "https://videos.example.com/@channel/a@b", "videos.example.com"),
        ("http://under_score.example/#!/x", "http://under_score.example/#!/x", "under_score.example"),
    ],
)
def test_brings_scheme_and_host_into_normal_form(api: Api, sent: str, kept: str, host: str) -> None:
    assert api.post("/download", {"url": sent}).json()["url"] == kept
    assert Job.objects.get().host == host


def test_needs_a_key(anybody: Api) -> None:
    answer = anybody.post("/download", {"url": URL})
    assert code_of(answer) == (401, "not_authenticated")
    assert "Bearer" in answer["WWW-Authenticate"]
    assert not Job.objects.exists()


def test_needs_the_scope_write(user: User) -> None:
    assert code_of(Api(key_of(user, Scope.READ)).post("/download", {"url": URL})) == (403, "insufficient_scope")
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("allowed", "blocked", "status"),
    [
        ([], ["example.com"], 400),
        ([], ["*.Example.com "], 400),
        ([], ["other.example"], 201),
        (["example.com"], [], 201),
        (["videos.example.com"], [], 201),
        (["notexample.com", "deo.example.com"], [], 400),
        (["example.com"], ["videos.example.com"], 400),
    ],
)
def test_keeps_to_the_operators_list_of_sites(
    api: Api, settings: Settings, allowed: list[str], blocked: list[str], status: int
) -> None:
    settings.ALLOWED_DOMAINS, settings.BLOCKED_DOMAINS = allowed, blocked
    answer = api.post("/download", {"url": URL})
    assert answer.status_code == status
    if status == 400:
        assert code_of(answer) == (400, "domain_not_allowed")
        assert answer.json()["errors"][0]["field"] == "url"
    assert Job.objects.count() == (status == 201)


def test_an_international_spelling_does_not_get_around_the_list(api: Api, settings: Settings) -> None:
    settings.BLOCKED_DOMAINS = ["example.com"]
    assert code_of(api.post("/download", {"url": "http://\uff25xample\u3002com/"})) == (400, "domain_not_allowed")


def test_says_so_when_the_disk_is_full(api: Api, settings: Settings) -> None:
    settings.STORAGE_RESERVE_BYTES = 2**62
    assert code_of(api.post("/download", {"url": URL})) == (507, "storage_full")
    assert not Job.objects.exists()


def test_a_full_queue_is_a_quota_and_others_have_their_own(
    api: Api, stranger: Api, user: User, settings: Settings
) -> None:
    settings.MAX_QUEUED_PER_OWNER = 2
    JobFactory.create_batch(2, owner=user)
    answer = api.post("/download", {"url": URL})
    assert code_of(answer) == (429, "quota_exceeded")
    assert int(answer["Retry-After"]) > 0
    assert stranger.post("/download", {"url": URL}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_the_quota_is_exact_under_parallel_submissions(user: User, settings: Settings) -> None:
    settings.MAX_QUEUED_PER_OWNER = 5
    key, barrier = key_of(user), threading.Barrier(8)
    statuses: list[int] = []

    def submit() -> None:
        barrier.wait()
        statuses.extend(Api(key).post("/download", {"url": URL}).status_code for _ in range(2))
        connection.close()

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] * 5 + [429] * 11
    assert Job.objects.count() == 5


def test_says_how_much_of_the_rate_is_left(api: Api, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 2
    answers = [api.post("/download", {"url": URL}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert all("q=2" in answer["RateLimit-Policy"] for answer in answers)
    assert "r=1" in answers[0]["RateLimit"]
    assert code_of(answers[2]) == (429, "rate_limit_exceeded")
    assert int(answers[2]["Retry-After"]) >= 1


def test_costs_a_constant_number_of_queries(
    api: Api, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    JobFactory.create_batch(5, owner=user)
    with django_assert_max_num_queries(15):
        api.post("/download", {"url": URL})


@pytest.mark.parametrize("name", sorted(names.PLACEHOLDERS))
def test_takes_every_placeholder(api: Api, name: str) -> None:
    assert api.post("/download", {"url": URL, "path_template": f"a/{{{name}}}.{{ext}}"}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_an_account_that_goes_meanwhile_gets_no_job(api: Api, user: User) -> None:
    key = user.api_keys.get()
    with after_reading("accounts_apikey", key, user):
        assert code_of(api.post("/download", {"url": URL})) == (404, "not_found")
    assert not Job.objects.exists()
