from __future__ import annotations

import json

from downloads.engine.infojson import scrub


def test_keeps_what_the_site_says_of_the_media() -> None:
    info = {"id": "1", "title": "A film", "webpage_url": "https://site.test/watch?v=1", "tags": ["a"], "duration": 8.5}
    assert scrub(info) == info


def test_takes_out_what_opens_doors() -> None:
    text = json.dumps(
        scrub(
            {
                "http_headers": {"Cookie": "SECRET"},
                "cookies": "SECRET",
                "url": "https://cdn.test/?token=SECRET",
                "_private": "SECRET",
                "requested_formats": [{"url": "SECRET"}],
                "formats": [
                    {"format_id": "22", "url": "SECRET", "http_headers": {"X": "SECRET"}, "fragments": ["SECRET"]}
                ],
                "subtitles": {"en": [{"ext": "vtt", "url": "SECRET", "data": "SECRET"}]},
                "thumbnails": [{"id": "0", "url": "https://cdn.test/a.jpg?sig=SECRET"}, "SECRET"],
            }
        )
    )
    assert "SECRET" not in text
    assert json.loads(text) == {
        "formats": [{"format_id": "22"}],
        "subtitles": {"en": [{"ext": "vtt"}]},
        "thumbnails": [{"id": "0", "url": "https://cdn.test/a.jpg"}],
    }


def test_is_strict_json_whatever_the_site_says() -> None:
    deep: object = "end"
    for _ in range(50):
        deep = [deep]
    odd = scrub({"a": float("nan"), "b": "\ud800\x00x", "c": (1, 2), "d": deep, "thumbnails": "none", "e": {1: True}})
    text = json.dumps(odd, ensure_ascii=False, allow_nan=False)
    assert json.loads(text.encode()) | {"d": None} == {
        "a": None,
        "b": "\ufffdx",
        "c": [1, 2],
        "d": None,
        "thumbnails": [],
        "e": {"1": True},
    }
    assert text.count("[") < 20
