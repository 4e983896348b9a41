from __future__ import annotations

import pytest

from webhooks.schedule import PAUSES, pause


def seconds(failures: int, retry_after: float | None = None) -> list[float]:
    return [pause(failures, retry_after).total_seconds() for _ in range(200)]


@pytest.mark.parametrize(
    ("failures", "planned"), [*enumerate((5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400), 1), (20, 86400)]
)
def test_waits_as_promised_give_or_take_a_fifth(failures: int, planned: int) -> None:
    waits = seconds(failures)
    assert planned * 0.8 <= min(waits) < planned < max(waits) <= planned * 1.2


def test_there_are_nine_pauses() -> None:
    assert len(PAUSES) == 9


def test_never_comes_sooner_than_it_was_asked_to() -> None:
    assert set(seconds(1, retry_after=600)) == {600}
    assert min(seconds(2, retry_after=1)) >= 240


def test_is_not_sent_away_for_longer_than_a_day() -> None:
    assert set(seconds(1, retry_after=10**9)) == {86400}
