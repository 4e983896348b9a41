from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from downloads import diagnosis
from downloads.console.settings_shown import shown, without_credentials
from downloads.models import Node
from tests.factories import JobFactory
from tests.project.environment import documented
from tests.web.conftest import staff

pytestmark = pytest.mark.django_db
SYSTEM = "/admin/system/"
# Of health, which may have been looked at just before, and of the page.
MOST_QUERIES = 14
HIDDEN = "a-secret-that-nobody-may-see"


def test_is_for_staff_who_may_see_machines_and_settings_for_superusers(page: Client, site: Client) -> None:
    assert page.get(SYSTEM).status_code in {302, 403}
    assert staff("view_job").get(SYSTEM).status_code == 403
    assert "MAX_JOBS_PER_HOST" not in staff("view_node").get(SYSTEM).text
    assert "MAX_JOBS_PER_HOST" in site.get(SYSTEM).text


def test_tells_versions_and_findings_with_what_to_do(site: Client, settings: Settings) -> None:
    settings.GUARD_URL = "http://127.0.0.1:1"
    answer = site.get(SYSTEM)
    versions = dict(answer.context["versions"])
    assert versions["mediadl"] == diagnosis.version()
    assert all(versions[name] for name in ("yt-dlp", "ffmpeg", "JavaScript", "Python", "Django", "Database", "System"))
    assert "See the log of `manage.py up`; it restarts the guard by itself." in answer.text


def test_tells_what_is_wrong_with_other_machines_and_what_to_do(site: Client) -> None:
    lack = {"status": "error", "message": "not found", "remedy": "Install ffmpeg."}
    Node.objects.pulse("node-1", slots=4, version="1.0", components={"ffmpeg": lack})
    text = site.get(SYSTEM).text
    assert "not found. Install ffmpeg." in text


def test_a_machine_says_in_its_row_what_to_do(settings: Settings) -> None:
    settings.GUARD_URL = "http://127.0.0.1:1"
    parts = diagnosis.node_facts()["components"]
    assert "restarts the guard" in parts["guard"]["remedy"]


# --- What has failed --------------------------------------------------------------------------------------------


def test_counts_failures_by_code_and_by_extractor(site: Client, user: User) -> None:
    for code, metadata in (
        ("not_found", {"extractor": "youtube"}),
        ("bot_check", {"extractor": "youtube"}),
        ("not_found", {}),
    ):
        JobFactory(owner=user, broken=True, error_code=code, metadata=metadata, host="other.example")
    JobFactory(owner=user, finished=True)
    context = site.get(SYSTEM).context
    assert [(group.name, group.count) for group in context["by_code"]] == [("not_found", 2), ("bot_check", 1)]
    assert [(group.name, group.count) for group in context["by_extractor"]] == [("youtube", 2), ("other.example", 1)]
    assert "Nothing has failed." not in site.get(SYSTEM).text


def test_says_that_nothing_has_failed(site: Client) -> None:
    assert site.get(SYSTEM).text.count("Nothing has failed.") == 2


def test_costs_the_same_however_much_has_failed(
    site: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(9):
        JobFactory(broken=True)
    with django_assert_max_num_queries(MOST_QUERIES):
        site.get(SYSTEM)


# --- Settings ---------------------------------------------------------------------------------------------------


def test_shows_every_documented_setting() -> None:
    names = {item.name for item in shown()}
    away = {"STORAGE_DIR", "RAILWAY_PUBLIC_DOMAIN", "RAILWAY_VOLUME_MOUNT_PATH"}
    assert {name for name in documented() if name not in names} <= away


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, HIDDEN) for name in ("SECRET_KEY", "API_KEY", "METRICS_TOKEN", "SENTRY_DSN", "S3_ACCESS_KEY_ID")),
        ("S3_SECRET_ACCESS_KEY", HIDDEN),
        *((name, [HIDDEN]) for name in ("LINK_KEYS", "COOKIE_KEYS", "WEBHOOK_KEYS")),
        ("REDIS_URL", f"redis://user:{HIDDEN}@redis.example:6379/0?password={HIDDEN}"),
        ("GUARD_URL", f"http://{HIDDEN}@guard.example:8080"),
        ("S3_ENDPOINT_URL", f"https://s3.example/?token={HIDDEN}"),
        ("PUBLIC_BASE_URL", f"https://x:{HIDDEN}@[bad"),
    ],
)
def test_shows_no_secret(settings: Settings, name: str, value: Any) -> None:
    setattr(settings, name, value)
    (item,) = [item for item in shown() if item.name == name]
    assert HIDDEN not in item.value


def test_shows_no_password_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": "media", "USER": "me", "PASSWORD": HIDDEN}
    for name, value in (database | {"HOST": "db.example", "PORT": 5432}).items():
        monkeypatch.setitem(connection.settings_dict, name, value)
    (item,) = [item for item in shown() if item.name == "DATABASE_URL"]
    assert item.value == "postgresql: db.example:5432/media"


def test_says_whether_a_secret_is_set(settings: Settings) -> None:
    settings.METRICS_TOKEN, settings.API_KEY, settings.REQUIRE_API_KEY = "", HIDDEN, True
    values = {item.name: item.value for item in shown()}
    assert (values["METRICS_TOKEN"], values["API_KEY"], values["REQUIRE_API_KEY"]) == ("not set", "set", "true")


def test_keeps_of_an_address_only_where_it_leads() -> None:
    assert without_credentials("redis://a:b@h.example:6379/1?x=y#z") == "redis://h.example:6379/1"
