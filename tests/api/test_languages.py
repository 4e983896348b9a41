"""What programs are told is a contract, whatever language people are using meanwhile."""

from __future__ import annotations

from typing import Any

from django.utils import translation

from downloads.api.requests import DownloadRequestSerializer

REFUSED = {
    "url": "ftp://example.com/",
    "tags": ["x" * 51],
    "clip_start_sec": -1,
    "timeout_sec": 1,
    "custom_format": "all",
}


def said() -> dict[str, Any]:
    serializer = DownloadRequestSerializer(data=REFUSED)
    assert not serializer.is_valid()
    return dict(serializer.errors)


def test_a_refusal_on_a_german_page_leaves_the_api_in_english() -> None:
    with translation.override("de"):
        german = said()
    english = said()
    assert german["timeout_sec"] == ["Dieser Wert muss mindestens 60 sein."]
    assert english == {
        "url": ["A URL begins with http:// or https://."],
        "tags": {0: ["Ensure this field has no more than 50 characters."]},
        "clip_start_sec": ["Ensure this value is greater than or equal to 0."],
        "timeout_sec": ["Ensure this value is greater than or equal to 60."],
        "custom_format": ["Write format ids, joined by + or /."],
    }
    assert {name for name in english if english[name] == german[name]} == set()
