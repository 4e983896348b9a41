from __future__ import annotations

from datetime import timedelta

import pytest

from downloads.web import moments, tags


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (157_651, "158 kB"),
        (4_249_999, "4.2 MB"),
        (999_960, "1.0 MB"),
        (48_212_345, "48.2 MB"),
        (10 * 1024**3, "10.7 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes(count: int | None, shown: str) -> None:
    assert tags.size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, ""), (0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")]
)
def test_lengths(seconds: float | None, shown: str) -> None:
    assert tags.clock(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "just now"),
        (30, "in a moment"),
        (-50, "1 min ago"),
        (300, "in 5 min"),
        (-89 * 60, "89 min ago"),
        (7200, "in 2 h"),
        (-30 * 3600, "30 h ago"),
        (36 * 3600, "in 2 days"),
        (-86400 * 400, "400 days ago"),
    ],
)
def test_distances(seconds: float, shown: str) -> None:
    assert moments.relative(timedelta(seconds=seconds)) == shown


def test_speeds() -> None:
    assert (tags.speed(5_400_000), tags.speed(None)) == ("5.4 MB/s", "")
