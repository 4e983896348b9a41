"""An update of yt-dlp from the admin: by the real command, which pip refuses for want of an index."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django import Settings

from downloads import ytdlp_request, ytdlp_versions
from downloads.models import Node
from downloads.ytdlp_versions import Running
from tests.web.conftest import staff

SYSTEM, UPDATE = "/admin/system/", "/admin/system/update/"


@pytest.fixture
def engine(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that runs here, and no index of packages to get another from."""
    running = Running(pid=1, ytdlp_version="2026.01.01", overlay="")
    monkeypatch.setattr(ytdlp_versions, "running", lambda: running)
    monkeypatch.setenv("DATA_DIR", str(data_dir))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (data_dir / "run").mkdir(exist_ok=True)


def wait_for_end() -> ytdlp_request.Update:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (update := ytdlp_request.last()) and not update.is_under_way:
            return update
        time.sleep(0.1)
    raise AssertionError("the update does not end")


def test_a_superuser_begins_it_and_is_told_what_came_of_it(site: Client, engine: None, worker: Node) -> None:
    assert "Update yt-dlp" in site.get(SYSTEM).text
    answer = site.post(UPDATE, follow=True)
    assert "is fetched and tried" in answer.text
    assert wait_for_end().has_failed
    text = site.get(SYSTEM).text
    assert "has failed; everything is as it was." in text
    assert "pip could not get it, and nothing has changed." in text
    assert ytdlp_versions.selection() is None


def test_one_at_a_time_on_a_machine(site: Client, engine: None) -> None:
    with ytdlp_versions.locked():
        answer = site.post(UPDATE, follow=True)
    assert "is under way on this machine already" in answer.text
    assert ytdlp_request.last() is None


def test_what_was_asked_for_is_in_the_admins_log(site: Client, engine: None, worker: Node, settings: Settings) -> None:
    settings.NODE_NAME = worker.pk
    site.post(UPDATE)
    (entry,) = LogEntry.objects.all()
    assert (entry.object_id, entry.change_message) == (worker.pk, "Asked for the newest yt-dlp.")
    wait_for_end()


def test_staff_may_see_it_and_not_begin_it(engine: None, db: None) -> None:
    looking = staff("view_node", "change_node", "change_job")
    assert "Update yt-dlp" not in looking.get(SYSTEM).text
    assert looking.post(UPDATE).status_code == 403
    assert ytdlp_request.last() is None


@pytest.mark.django_db
def test_it_is_for_nobody_else(page: Client, engine: None) -> None:
    assert page.post(UPDATE).status_code in {302, 403}
    assert Client().post(UPDATE).status_code == 302
    assert ytdlp_request.last() is None


def test_where_no_engine_runs_it_says_where_to_go(site: Client) -> None:
    assert "Update yt-dlp" not in site.get(SYSTEM).text
    assert "run manage.py ytdlp_update where one does" in site.post(UPDATE, follow=True).text


def test_it_is_begun_by_a_form_alone(site: Client, engine: None) -> None:
    assert site.get(UPDATE).status_code == 405


def test_one_that_was_broken_off_is_not_called_done(site: Client, engine: None, data_dir: Path) -> None:
    (data_dir / "run" / "ytdlp_update.log").write_text("2026-01-01T00:00:00+00:00\n")
    assert "has failed" in site.get(SYSTEM).text
