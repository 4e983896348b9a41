from __future__ import annotations

import json

import pytest

from downloads.engine import choices
from downloads.web.guesses import Total, rate_of, rates, total


@pytest.mark.parametrize(
    ("quality", "audio_quality", "bytes_a_second"),
    [
        ("720p", "192", 287_500),
        ("audio", "192", 24_000),
        ("audio", "best", 32_000),
        ("best", "96", 562_500),
        ("nonsense", "None", 562_500),
    ],
)
def test_a_guess_is_made_of_what_is_chosen(quality: str, audio_quality: str, bytes_a_second: int) -> None:
    assert rate_of(quality, audio_quality) == bytes_a_second


def test_what_says_no_length_is_counted_and_not_summed() -> None:
    entries: list[dict[str, float | None]] = [{"duration": 60.2}, {"duration": None}, {"duration": 0}, {"duration": 40}]
    assert total(entries, 10) == Total(seconds=100, size_bytes=1000, unknown=2)
    assert total([], 10) == Total(seconds=0, size_bytes=0, unknown=0)


def test_every_quality_that_the_form_offers_has_one() -> None:
    assert set(json.loads(rates())) == set(choices.QUALITIES)
