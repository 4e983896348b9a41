from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.web.conftest import signed_in

SIGN_IN = "/accounts/sign-in/"
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def language_of(answer: Any) -> tuple[str, bool]:
    """What the page calls its language, and whether its heading is German."""
    found = answer.text.partition('<html lang="')[2].partition('"')[0]
    assert answer["Content-Language"] == found
    return found, "<h1>Anmelden</h1>" in answer.text


def test_is_english_for_whoever_names_no_language(db: None) -> None:
    assert language_of(Client().get(SIGN_IN)) == ("en", False)


@pytest.mark.parametrize("wanted", ["de", "de-AT,de;q=0.9,en;q=0.5", "fr,de;q=0.8,en;q=0.3", "DE"])
def test_speaks_the_language_that_a_browser_asks_for(db: None, wanted: str) -> None:
    answer = Client().get(SIGN_IN, headers={"Accept-Language": wanted})
    assert language_of(answer) == ("de", True)
    assert {"Accept-Language", "Cookie"} <= set(answer["Vary"].split(", "))


@pytest.mark.parametrize("wanted", ["fr", "*", "", "de;q=x", "x" * 5000, "de" * 300, "\x00", "../../etc"])
def test_is_english_for_whoever_asks_for_what_there_is_not(db: None, wanted: str) -> None:
    assert language_of(Client().get(SIGN_IN, headers={"Accept-Language": wanted})) == ("en", False)


def test_remembers_a_choice_for_a_year_against_what_the_browser_asks_for(db: None) -> None:
    client = Client(headers=GERMAN)
    answer = client.post("/language", {"language": "en", "next": SIGN_IN})
    assert (answer.status_code, answer["Location"]) == (302, SIGN_IN)
    cookie = answer.cookies["language"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 365 * 24 * 3600)
    assert language_of(client.get(SIGN_IN)) == ("en", False)
    client.post("/language", {"language": "de", "next": SIGN_IN})
    assert language_of(client.get(SIGN_IN)) == ("de", True)


def test_the_choice_outlasts_signing_in_and_out(user: User) -> None:
    client = signed_in(user)
    client.post("/language", {"language": "de"})
    assert "Abmelden" in client.get("/accounts/").text
    answer = client.post("/accounts/sign-out/", follow=True)
    assert "Sie sind abgemeldet." in answer.text


@pytest.mark.parametrize("language", ["", "fr", "de'", "../de", "x" * 5000])
def test_knows_no_other_languages(db: None, language: str) -> None:
    client = Client()
    assert client.post("/language", {"language": language, "next": SIGN_IN}).status_code == 302
    client.cookies["language"] = language
    assert language_of(client.get(SIGN_IN)) == ("en", False)


def test_never_leads_elsewhere(db: None) -> None:
    assert Client().post("/language", {"language": "de", "next": "//evil.example"})["Location"] == "/"


def test_is_chosen_by_a_form_of_our_own_alone(db: None) -> None:
    assert Client(enforce_csrf_checks=True).post("/language", {"language": "de"}).status_code == 403
    assert Client().get("/language").status_code == 405


def test_every_page_offers_the_languages_by_their_own_names(db: None) -> None:
    text = Client().get(SIGN_IN, headers=GERMAN).text
    assert '<button type="submit" name="language" value="de" lang="de" aria-pressed="true">Deutsch</button>' in text
    assert '<button type="submit" name="language" value="en" lang="en" aria-pressed="false">English</button>' in text


# --- What is no page --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/download", "/api/v1/nowhere", "/api/v1/health", "/s/nothing"])
def test_programs_are_told_in_english(db: None, path: str) -> None:
    client = Client()
    client.cookies["language"] = "de"
    answer = client.get(path, headers=GERMAN)
    assert "Content-Language" not in answer
    same = Client().get(path)
    assert answer.json().get("detail") == same.json().get("detail")
    assert "Accept-Language" not in answer.get("Vary", "")


def test_one_request_leaves_its_language_to_none_after_it(db: None) -> None:
    client = Client()
    assert language_of(client.get(SIGN_IN, headers=GERMAN)) == ("de", True)
    assert language_of(client.get(SIGN_IN)) == ("en", False)


def test_error_pages_speak_it_too(db: None) -> None:
    answer = Client().get("/nowhere", headers=GERMAN)
    assert answer.status_code == 404
    assert ('<html lang="de"' in answer.text, "Hier ist nichts" in answer.text) == (True, True)


def test_a_refused_form_is_explained_in_it(db: None) -> None:
    answer = Client(enforce_csrf_checks=True).post("/theme", {"theme": "dark"}, headers=GERMAN)
    assert (answer.status_code, "Das Formular war zu alt" in answer.text) == (403, True)


def test_the_page_without_a_connection_is_kept_anew_in_another_language(db: None) -> None:
    assert "Keine Verbindung" in Client().get("/offline", headers=GERMAN).text
    german, english = (Client().get("/sw.js", headers={"Accept-Language": code}).text for code in ("de", "en"))
    assert german != english
    assert '"mediadl-offline-de"' in german


def test_the_app_that_browsers_install_describes_itself_in_it(db: None) -> None:
    manifest = Client().get("/site.webmanifest", headers=GERMAN).json()
    assert (manifest["lang"], manifest["description"]) == ("de", "Link einfügen, Datei behalten.")


def test_django_and_we_speak_the_same_language_in_a_form(user: User) -> None:
    page = signed_in(user)
    django, ours = (page.post("/accounts/close/", {"username": name}, headers=GERMAN).text for name in ("", "eve"))
    assert "Dieses Feld ist zwingend erforderlich." in django
    assert "Das ist nicht Ihr Benutzername." in ours
