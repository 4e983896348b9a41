from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.engine.metadata import MAX_CHAPTERS, MAX_WORDS, clean_codec, clean_number, clean_text, metadata

API_FIELDS = """id, title, description, uploader, uploader_id, uploader_url, channel_id, channel_url, upload_date,
duration, view_count, like_count, comment_count, tags, categories, thumbnail, webpage_url, extractor, width, height,
fps, vcodec, acodec, chapters, playlist, playlist_index"""


def test_has_the_fields_of_the_api_and_no_others() -> None:
    assert list(metadata({"url": "https://secret.test/", "http_headers": {}})) == API_FIELDS.replace("\n", " ").split(
        ", "
    )


def test_what_is_not_known_is_none_or_empty() -> None:
    empty = metadata({})
    assert {name for name, value in empty.items() if value == []} == {"tags", "categories", "chapters"}
    assert all(value is None or value == [] for value in empty.values())


def test_keeps_what_is_good() -> None:
    info = {
        "id": 12,
        "title": " A film ",
        "upload_date": "20260101",
        "duration": 8.5,
        "view_count": 7,
        "tags": ["a", "b"],
        "thumbnail": "https://site.test/a.jpg?x=1",
        "vcodec": "avc1",
        "acodec": "none",
        "chapters": [{"start_time": 0, "end_time": 4.5, "title": "One"}],
        "playlist_index": 3,
    }
    kept = metadata(info)
    assert {name: kept[name] for name in info} == {**info, "id": "12", "title": "A film", "acodec": None}


@pytest.mark.parametrize(
    ("name", "value", "length"),
    [("title", "t" * 5000, 1000), ("description", "d" * 50_000, 20_000), ("uploader", "u" * 5000, 500)],
)
def test_clips_long_texts(name: str, value: str, length: int) -> None:
    assert len(metadata({name: value})[name]) == length


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\x00b", "ab"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
        ("tab\tand\nline\r\n", "tab\tand\nline"),
        ("\x1b[31mred\x7f", "[31mred"),
        ("  ", None),
        (5, None),
        (None, None),
    ],
)
def test_texts_are_safe_to_store(text: object, clean: str | None) -> None:
    assert clean_text(text, 100) == clean


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), (1.5, 1.5), (True, None), ("1", None), (float("inf"), None), (float("nan"), None), (2**60, None)],
)
def test_numbers_are_safe_to_store(value: object, number: float | None) -> None:
    assert clean_number(value) == number


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://site.test/",
        "//site.test/",
        "https://a b/",
        5,
        f"https://x/{'y' * 2048}",
    ],
)
def test_addresses_are_of_the_web(url: object) -> None:
    assert metadata({"thumbnail": url, "webpage_url": url})["thumbnail"] is None


@pytest.mark.parametrize("date", ["2026-01-01", "today", 20260101, "202601011"])
def test_dates_are_eight_digits(date: object) -> None:
    assert metadata({"upload_date": date})["upload_date"] is None


def test_counts_are_not_negative() -> None:
    assert metadata({"view_count": -1, "width": 1.0})["view_count"] is None


def test_lists_have_limits() -> None:
    busy = metadata({"tags": ["x"] * 5000, "categories": "no list", "chapters": [{}] * 5000})
    assert len(busy["tags"]) == MAX_WORDS
    assert busy["categories"] == []
    assert busy["chapters"] == [{"start_time": None, "end_time": None, "title": None}] * MAX_CHAPTERS


def test_lists_drop_what_does_not_belong() -> None:
    mixed = metadata({"tags": ["a", None, 5, ""], "chapters": ["x", {"title": "One"}]})
    assert mixed["tags"] == ["a"]
    assert [chapter["title"] for chapter in mixed["chapters"]] == ["One"]
    assert metadata({"chapters": "x"})["chapters"] == []


def test_no_codec_is_none() -> None:
    assert clean_codec("none") is None
    assert clean_codec("vp9") == "vp9"


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(API_FIELDS.replace("\n", " ").split(", ")), _JUNK))
def test_whatever_a_site_says_becomes_strict_json(info: dict[str, Any]) -> None:
    text = json.dumps(metadata(info), ensure_ascii=False, allow_nan=False)
    assert "\x00" not in text
    text.encode()
