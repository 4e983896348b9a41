"""Presets: options under a name."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from downloads import cookies
from downloads.models import Job, Preset
from downloads.models.preset import MAX_PER_OWNER
from tests.web.conftest import signed_in
from tests.web.test_home import FORM, URL

OPTIONS = {name: value for name, value in FORM.items() if name != "urls"}
MUSIC = OPTIONS | {"name": "Music", "quality": "audio", "audio_format": "flac", "embed_thumbnail": "on"}


@pytest.fixture
def music(page: Client) -> Preset:
    page.post("/presets/new", MUSIC)
    return Preset.objects.get()


def test_a_preset_is_made_and_listed(page: Client, user: User) -> None:
    answer = page.post("/presets/new", MUSIC, follow=True)
    assert answer.redirect_chain == [("/presets", 302)]
    for words in ("Music", "Audio flac", "Embed thumbnail"):
        assert words in answer.text
    preset = Preset.objects.get()
    assert (preset.owner, preset.options["audio_format"], "urls" in preset.options) == (user, "flac", False)


def test_a_preset_is_chosen_on_the_first_page_and_keeps_the_links(page: Client, music: Preset) -> None:
    assert f'href="/?preset={music.pk}"' in page.get("/").text
    form = page.get("/", {"preset": str(music.pk), "urls": f"{URL}\nhttps://other.example/"}).context["form"]
    assert (form["quality"].value(), form["audio_format"].value()) == ("audio", "flac")
    assert form["urls"].value() == f"{URL}\nhttps://other.example/"
    assert page.get("/").context["form"]["quality"].value() == "best"


def test_the_first_page_keeps_its_choices_under_a_name(page: Client, user: User) -> None:
    sent = FORM | {"urls": URL, "name": "Music", "tags": "once"}
    assert 'form="save-preset"' in page.get("/").text
    answer = page.post("/presets/new", sent, headers={"HX-Request": "true"})
    assert (answer.status_code, "presets-changed" in answer["HX-Trigger"]) == (204, True)
    preset = Preset.objects.get()
    assert (preset.owner, preset.name, preset.options["audio_format"]) == (user, "Music", FORM["audio_format"])
    assert not {"urls", "tags", "name"} & preset.options.keys()
    again = page.post("/presets/new", sent, headers={"HX-Request": "true"})
    assert "You have a preset of this name already." in again["HX-Trigger"]
    wrong = page.post("/presets/new", sent | {"name": "x", "retention_hours": "7"}, headers={"HX-Request": "true"})
    assert '"level": "warning"' in wrong["HX-Trigger"]
    assert Preset.objects.count() == 1


def test_without_a_script_it_brings_them_to_the_page_that_asks_for_the_name(page: Client) -> None:
    answer = page.post("/presets/new", FORM | {"urls": URL, "from_home": "1"})
    assert answer.status_code == 200
    assert answer.context["form"]["audio_format"].value() == FORM["audio_format"]
    assert "This field is required" not in answer.text
    assert not Preset.objects.exists()


def test_what_is_downloaded_with_a_preset_is_what_it_says(page: Client, music: Preset) -> None:
    form = page.get("/", {"preset": str(music.pk), "url": URL}).context["form"]
    sent = {name: form[name].value() for name in FORM} | {"embed_thumbnail": "on"}
    page.post("/", sent)
    assert Job.objects.get().options["audio_format"] == "flac"


def test_a_new_preset_begins_with_the_choices_of_last_time(page: Client) -> None:
    page.post("/", FORM | {"quality": "720p"})
    assert page.get("/presets/new").context["form"]["quality"].value() == "720p"


def test_a_preset_is_changed(page: Client, music: Preset) -> None:
    path = f"/presets/{music.pk}"
    assert page.get(path).context["form"]["name"].value() == "Music"
    assert page.post(path, MUSIC | {"name": "Songs", "audio_format": "opus"}).status_code == 302
    music.refresh_from_db()
    assert (music.name, music.options["audio_format"]) == ("Songs", "opus")


def test_a_preset_is_deleted(page: Client, music: Preset) -> None:
    assert "Music is deleted" in page.post(f"/presets/{music.pk}/delete", follow=True).text
    assert not Preset.objects.exists()
    assert page.get("/", {"preset": str(music.pk)}).status_code == 200


def test_cookies_that_are_gone_are_chosen_no_more(page: Client, user: User) -> None:
    jar = cookies.store(user, ".video.example\tTRUE\t/\tTRUE\t4102444800\tsession\tvalue\n")
    page.post("/presets/new", MUSIC | {"cookies_id": str(jar.pk)})
    preset = Preset.objects.get()
    assert preset.options["cookies_id"] == str(jar.pk)
    jar.delete()
    answer = page.get("/", {"preset": str(preset.pk)})
    assert str(jar.pk) not in answer.text


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 41}, "name"),
        ({"name": "Two", "quality": "none"}, "quality"),
        ({"name": "Two", "path_template": "{nonsense}"}, "path_template"),
        ({"name": "Two", "cookies_id": "x"}, "cookies_id"),
        ({"name": "Music"}, "name"),
        ({"name": "a\x00b"}, "name"),
    ],
)
def test_what_cannot_be_kept_is_refused(page: Client, music: Preset, sent: dict[str, str], field: str) -> None:
    answer = page.post("/presets/new", MUSIC | sent)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert list(Preset.objects.all()) == [music]


def test_there_are_only_so_many(page: Client, user: User) -> None:
    Preset.objects.bulk_create(Preset(owner=user, name=str(number)) for number in range(MAX_PER_OWNER))
    assert "Delete one first" in page.post("/presets/new", MUSIC).text
    one: Any = Preset.objects.first()
    assert page.post(f"/presets/{one.pk}", MUSIC).status_code == 302


def test_presets_are_their_owners_alone(page: Client, music: Preset, other: User) -> None:
    stranger = signed_in(other)
    for path in (f"/presets/{music.pk}", f"/presets/{music.pk}/delete"):
        assert stranger.post(path, MUSIC).status_code == 404
    assert "Music" not in stranger.get("/presets").text
    assert "Music" not in stranger.get("/").text
    assert stranger.get("/", {"preset": str(music.pk)}).context["form"]["quality"].value() == "best"
    assert stranger.post("/presets/new", MUSIC).status_code == 302
    assert Client().get("/presets").status_code == 302


def test_words_of_a_preset_are_words(page: Client) -> None:
    page.post("/presets/new", MUSIC | {"name": "<script>x</script>"})
    assert "<script>x" not in page.get("/").text
    assert "<script>x" not in page.get("/presets").text
