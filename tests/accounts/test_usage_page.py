from __future__ import annotations

from django.test import Client
from pytest_django import Settings

from accounts.models import ApiKey, DayUsage, User
from tests.factories import JobFactory, MediaFileFactory

USAGE, NEW_KEY = "/accounts/usage/", "/accounts/keys/new/"


def test_shows_what_is_used_of_each_limit(page: Client, user: User, other: User, settings: Settings) -> None:
    settings.MAX_QUEUED_PER_OWNER, settings.MAX_JOBS_PER_DAY = 1000, 0
    User.objects.filter(pk=user.pk).update(max_stored_bytes=5_000_000_000, max_bytes_per_day=1000)
    MediaFileFactory(job=JobFactory(owner=user, finished=True), size_bytes=1_200_000_000)
    MediaFileFactory(job=JobFactory(owner=other, finished=True), size_bytes=3_000_000_000)
    DayUsage.objects.take_jobs(user.pk, 3)
    DayUsage.objects.add_bytes(user.pk, 1500)
    JobFactory(owner=user)
    answer = page.get(USAGE)
    shown = answer.text
    for text in ("1.2 GB of 5.0 GB", "1.5 kB of 1.0 kB", "3, no limit", "1 of 1,000", "0, no limit"):
        assert text in shown
    assert 'value="1000" max="1000"' in shown
    assert answer["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"


def test_is_for_those_who_have_signed_in_and_found_from_every_page(client: Client, page: Client) -> None:
    assert Client().get(USAGE).status_code == 302
    assert f'href="{USAGE}"' in page.get("/").text


def test_the_library_shows_how_full_the_store_is(page: Client, user: User) -> None:
    MediaFileFactory(job=JobFactory(owner=user, finished=True), size_bytes=300)
    assert "300 B stored in all" in page.get("/library").text
    User.objects.filter(pk=user.pk).update(max_stored_bytes=1000)
    assert "300 B of 1.0 kB stored" in page.get("/library").text


def test_a_key_is_made_with_limits_on_its_page(page: Client) -> None:
    form = {"name": "phone", "scopes": ["read"], "expires_in_days": "30"}
    assert page.post(NEW_KEY, form | {"max_jobs_per_day": "0"}).status_code == 400
    assert page.post(NEW_KEY, form | {"max_jobs_per_day": "20", "max_concurrent_jobs": ""}).status_code == 201
    key = ApiKey.objects.get()
    assert (key.max_jobs_per_day, key.max_concurrent_jobs, key.rate_limit_per_minute) == (20, None, None)
    assert "20 jobs a day" in page.get("/accounts/keys/").text
