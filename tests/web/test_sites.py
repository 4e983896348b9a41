"""The page of supported sites."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from downloads import ytdlp_versions


def test_lists_them_and_finds_by_a_link(page: Client) -> None:
    assert page.get("/sites").text.count('<li class="site">') > 500
    answer = page.get("/sites?q=https://www.youtube.com/watch%3Fv=1")
    assert [site.name for site in answer.context["found"]][-1] == "youtube"
    assert "youtube:playlist" in answer.text


def test_those_for_adults_are_found_by_their_name_alone(page: Client) -> None:
    adult = next(site for site in page.get("/sites?q=porn").context["found"] if site.is_for_adults)
    assert adult not in page.get("/sites").context["found"]


def test_what_is_not_known_can_be_tried(page: Client) -> None:
    answer = page.get("/sites?q=https://nowhere.example/%3Fa%26b")
    assert "Not known by name" in answer.text
    assert 'href="/?url=https%3A%2F%2Fnowhere.example%2F%3Fa%26b"' in answer.text


def test_says_so_where_yt_dlp_has_no_list(page: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ytdlp_versions, "directory", lambda: tmp_path)
    assert "There is no list here" in page.get("/sites").text


@pytest.mark.parametrize("query", ["%00", "x" * 5000, "%F0%9F%8E%AC", "<b>"])
def test_makes_do_with_any_query(page: Client, query: str) -> None:
    assert page.get(f"/sites?q={query}").status_code == 200


def test_the_page_of_help_leads_there(page: Client) -> None:
    assert 'href="/sites"' in page.get("/help").text
