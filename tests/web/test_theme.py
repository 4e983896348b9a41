from __future__ import annotations

import pytest
from django.test import Client

SIGN_IN = "/accounts/sign-in/"


def test_follows_the_system_at_first(db: None) -> None:
    text = Client().get(SIGN_IN).text
    assert '<html lang="en" data-theme="system">' in text
    assert '<meta name="color-scheme" content="light dark">' in text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_draws_the_chosen_theme_from_the_first_byte(db: None, theme: str) -> None:
    client = Client()
    answer = client.post("/theme", {"theme": theme, "next": SIGN_IN})
    assert answer["Location"] == SIGN_IN
    cookie = answer.cookies["theme"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    text = client.get(SIGN_IN).text
    assert f'data-theme="{theme}"' in text
    assert f'<meta name="color-scheme" content="{theme}">' in text


@pytest.mark.parametrize("theme", ["", "pink", '"><script>'])
def test_knows_no_other_themes(db: None, theme: str) -> None:
    client = Client()
    client.post("/theme", {"theme": theme})
    client.cookies["theme"] = theme
    assert 'data-theme="system"' in client.get(SIGN_IN).text


def test_never_leads_elsewhere(db: None) -> None:
    assert Client().post("/theme", {"theme": "dark", "next": "//evil.example"})["Location"] == "/"
