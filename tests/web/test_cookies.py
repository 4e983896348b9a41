from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from downloads import cookies
from downloads.models import CookieJar, Job, Probe

pytestmark = pytest.mark.django_db
SECRET = "zq7cookieofapage"
TEXT = f".site.example\tTRUE\t/\tTRUE\t4102444800\tsession\t{SECRET}\n"
URL = "https://site.example/watch"


@pytest.fixture
def jar(user: User) -> CookieJar:
    return cookies.store(user, TEXT)


def test_stores_a_file_or_text_and_shows_neither(page: Client) -> None:
    for sent in ({"file": SimpleUploadedFile("cookies.txt", TEXT.encode())}, {"text": TEXT}):
        answer = page.post("/cookies/new", sent, follow=True)
        assert answer.redirect_chain == [("/cookies", 302)]
        assert "1 cookie is stored as site.example" in answer.text
        assert SECRET not in answer.text
    assert CookieJar.objects.count() == 2


def test_says_what_is_wrong_by_the_line(page: Client) -> None:
    answer = page.post("/cookies/new", {"text": f"{TEXT}nonsense"})
    assert answer.status_code == 422
    assert "Line 2: there are no tabs" in answer.text
    assert SECRET not in answer.text
    assert "Choose a file, or paste its text" in page.post("/cookies/new", {}).text


def test_deletes(page: Client, jar: CookieJar) -> None:
    assert "are deleted" in page.post(f"/cookies/{jar.pk}/delete", follow=True).text
    assert not CookieJar.objects.exists()


def test_a_test_shows_what_came_of_it(page: Client, jar: CookieJar) -> None:
    answer = page.post(f"/cookies/{jar.pk}/test", {"url": URL}, follow=True)
    assert "being looked at" in answer.text
    probe = Probe.objects.get()
    probe.start("node/1/1")
    probe.complete({"metadata": {"title": "Members only"}, "items": [{}]})
    assert "It works: Members only" in page.get(answer.request["PATH_INFO"]).text
    assert "A URL begins with" in page.post(f"/cookies/{jar.pk}/test", {"url": "x"}, follow=True).text


def test_the_home_page_offers_them(page: Client, jar: CookieJar) -> None:
    assert f'value="{jar.pk}"' in page.get("/").text
    page.post("/", {"urls": URL, "quality": "best", "cookies_id": str(jar.pk), **DEFAULTS})
    assert Job.objects.get().options["cookies_id"] == str(jar.pk)


DEFAULTS = {
    "video_format": "mp4",
    "audio_format": "mp3",
    "audio_quality": "192",
    "subtitle_languages": "en",
    "subtitle_format": "srt",
    "thumbnail_format": "jpg",
    "priority": "normal",
}
