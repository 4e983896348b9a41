"""A look at a link on the first page, and the pictures that it shows."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.test import Client
from django_q.models import OrmQ
from pytest_django import Settings

from accounts.models import User
from downloads import thumbnails
from downloads.engine import choices
from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.spec import DownloadOptions
from downloads.models import Probe
from tests.api.test_probes import MEDIA
from tests.web.conftest import signed_in
from tests.web.test_home import FORM, HTMX, URL

PICTURE = "https://pictures.example/1.jpg?size=large&x=1"
CHOICE = {"format": "137+140", "size_bytes": 64_000_000, "available": True}


def found(**about: Any) -> dict[str, Any]:
    offered = {choices.key(options): dict(CHOICE) for options in choices.distinct()}
    for container in choices.CONTAINERS:
        offered[f"2160p/{container}"] |= {"available": False}
    offered["720p/webm"] |= {"size_bytes": 12_000_000}
    offered["audio/mp3"] |= {"size_bytes": None}
    known = {"title": "A walk", "uploader": "Ada", "duration": 100.0, "thumbnail": PICTURE, "playlist": None}
    subtitles: dict[str, list[Any]] = {name: [] for name in ("en", "de")}
    return MEDIA | {"metadata": {**MEDIA["metadata"], **known, **about}, "choices": offered, "subtitles": subtitles}


def finish(**about: Any) -> Probe:
    probe = Probe.objects.get()
    probe.start("node-1/1/1")
    probe.complete(found(**about))
    return probe


def test_a_look_is_taken_by_the_probe_lane_and_waited_for(page: Client, user: User) -> None:
    answer = page.post("/preview", FORM, headers=HTMX)
    probe = Probe.objects.get()
    assert (answer.status_code, probe.owner, probe.url, OrmQ.objects.count()) == (200, user, URL, 1)
    assert "Looking at video.example" in answer.text
    assert f'hx-get="/preview/{probe.pk}"' in answer.text
    assert "load delay" in answer.text
    assert "Looking at" in page.get(f"/preview/{probe.pk}", headers=HTMX).text


def test_shows_what_was_found(page: Client) -> None:
    page.post("/preview", FORM, headers=HTMX)
    probe = finish()
    answer = page.get(f"/preview/{probe.pk}", headers=HTMX)
    for words in ("A walk", "video.example", "Ada", "1:40", "64.0 MB", "size not known"):
        assert words in answer.text
    assert "load delay" not in answer.text
    assert [(language.code, language.name) for language in answer.context["preview"].languages] == [
        ("de", "German"),
        ("en", "English"),
    ]
    sizes = answer.context["preview"].sizes
    assert [size.quality for size in sizes if not size.is_offered] == ["2160p"]


def test_offers_the_subtitles_that_there_are_in_the_readers_words(page: Client) -> None:
    page.post("/preview", FORM, headers=HTMX)
    probe = finish()
    made: dict[str, list[Any]] = {code: [] for code in ("pt-BR", "de-AT", "tlh", "live_chat")}
    heard: dict[str, list[Any]] = {code: [] for code in ("fr-orig", "fr", "de", "en", "zu")}
    Probe.objects.update(result=found() | {"subtitles": made, "automatic_captions": heard})
    text = page.get(f"/preview/{probe.pk}", headers=HTMX | {"Accept-Language": "de"}).text
    assert re.findall(r'data-language="([\w-]+)"( data-automatic)?>([^<]+?) ?<', text) == [
        ("de-AT", "", "Deutsch (de-AT)"),
        ("pt-BR", "", "Brasilianisches Portugiesisch"),
        ("tlh", "", "tlh"),
        ("de", " data-automatic", "Deutsch"),
        ("en", " data-automatic", "Englisch"),
        ("fr-orig", " data-automatic", "Französisch"),
    ]


def test_tells_the_sizes_of_what_is_chosen(page: Client) -> None:
    page.post("/preview", FORM, headers=HTMX)
    probe = finish()
    chosen = {"quality": "720p", "video_format": "webm", "audio_format": "mp3", "clip_end_sec": "0:50"}
    sizes = page.get(f"/preview/{probe.pk}", chosen, headers=HTMX).context["preview"].sizes
    assert {size.quality: size.size_bytes for size in sizes}["720p"] == 6_000_000
    nonsense = {"quality": "\x00", "video_format": "exe", "clip_end_sec": "soon"}
    sizes = page.get(f"/preview/{probe.pk}", nonsense, headers=HTMX).context["preview"].sizes
    assert {size.quality: size.size_bytes for size in sizes}["720p"] == 64_000_000
    assert choices.key(DownloadOptions(quality="720p")) == "720p/mp4"


def test_says_what_stands_against_it(page: Client, settings: Settings) -> None:
    settings.MAX_FILE_SIZE_BYTES = 1_000_000
    page.post("/preview", FORM, headers=HTMX)
    assert "more than the limit" in page.get(f"/preview/{finish().pk}", headers=HTMX).text


def test_says_that_it_is_one_of_a_list(page: Client) -> None:
    page.post("/preview", FORM, headers=HTMX)
    text = page.get(f"/preview/{finish(playlist='Walks').pk}", headers=HTMX).text
    assert "the first of a list" in text
    assert "Choose from the list" in text


def test_says_why_it_cannot_be_had(page: Client) -> None:
    page.post("/preview", FORM, headers=HTMX)
    probe = Probe.objects.get()
    probe.start("node-1/1/1")
    probe.fail(JobError(ErrorCode.LOGIN_REQUIRED))
    assert "signed-in visitor" in page.get(f"/preview/{probe.pk}", headers=HTMX).text


@pytest.mark.parametrize("urls", ["", "no link", f"{URL}\nhttps://other.example/", "ftp://old.example/", "\x00"])
def test_looks_at_one_link_and_nothing_else(page: Client, urls: str) -> None:
    for headers in ({}, HTMX):
        answer = page.post("/preview", FORM | {"urls": urls}, headers=headers)
        assert answer.status_code == (200 if headers else 422)
        assert "field-errors" in answer.text
    assert not Probe.objects.exists()


def test_says_what_the_look_was_refused_for(page: Client, settings: Settings) -> None:
    settings.BLOCKED_DOMAINS = ["video.example"]
    assert "The operator does not allow this site." in page.post("/preview", FORM, headers=HTMX).text
    settings.BLOCKED_DOMAINS = []
    assert page.post("/preview", FORM | {"cookies_id": "somebody's"}).status_code == 422
    assert not Probe.objects.exists()


def test_without_script_the_page_comes_back_with_the_form_as_it_was_and_the_look(page: Client) -> None:
    chosen = FORM | {"quality": "480p", "tags": "travel", "clip_end_sec": "0:50"}
    answer = page.post("/preview", chosen)
    assert answer.status_code == 200
    assert "Looking at video.example" in answer.text
    finish()
    answer = page.post("/preview", chosen)
    assert "A walk" in answer.text
    form = answer.context["form"]
    assert (form["urls"].value(), form["quality"].value(), form["tags"].value()) == (URL, "480p", "travel")
    assert Probe.objects.count() == 1


def test_a_look_is_its_owners_alone(page: Client, other: User) -> None:
    page.post("/preview", FORM, headers=HTMX)
    probe = finish()
    assert signed_in(other).get(f"/preview/{probe.pk}").status_code == 404
    assert Client().get(f"/preview/{probe.pk}").status_code == 302
    assert Client().post("/preview", FORM).status_code == 302


# --- Pictures ---------------------------------------------------------------------------------------------------


def test_a_picture_is_fetched_by_way_of_the_server_for_whom_it_was_found(page: Client, user: User) -> None:
    answer = page.get(thumbnails.address_of(user, PICTURE))
    assert answer.status_code == 200
    assert (unquote(answer["X-Accel-Picture"]), answer["X-Accel-Owner"]) == (PICTURE, str(user.pk))
    assert answer["Content-Security-Policy"].startswith("sandbox")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["Cache-Control"].startswith("private, max-age=")
    assert "Cookie" in answer["Vary"]


def test_nobody_has_pictures_fetched_that_were_not_found_for_them(page: Client, user: User, other: User) -> None:
    address = thumbnails.address_of(user, PICTURE)
    assert signed_in(other).get(address).status_code == 404
    assert Client().get(address).status_code == 302
    signature = parse_qs(urlsplit(address).query)["by"][0]
    scheme, rest = PICTURE.split(":", 1)
    for query in (
        {},
        {"of": PICTURE},
        {"of": scheme, "by": f"{rest}:{signature}"},
        {"of": "http://10.0.0.1/", "by": signature},
        {"of": "\x00", "by": "é:x"},
    ):
        assert page.get("/thumbnail", query).status_code == 404


def test_what_has_no_picture_has_no_address(user: User) -> None:
    assert thumbnails.address_of(user, None) == ""
