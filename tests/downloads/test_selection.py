from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.selection import NothingError, Selection, TooManyError, is_backwards, named_by, numbers, ranges


def entries(count: int) -> list[dict[str, Any]]:
    return [
        {
            "playlist_index": number,
            "title": f"Title {number}",
            "upload_date": f"2026010{number % 10}",
            "duration": float(number * 60),
            "view_count": number * 10,
        }
        for number in range(1, count + 1)
    ]


def chosen(count: int, *, is_truncated: bool = False, **wanted: Any) -> list[int]:
    plan = Selection(**wanted).plan(entries(count), is_truncated=is_truncated)
    return [entry["playlist_index"] for entry in plan]


@pytest.mark.parametrize(
    ("wanted", "numbers_of_30"),
    [
        ({}, list(range(1, 31))),
        ({"items": "1-3,7,28-"}, [1, 2, 3, 7, 28, 29, 30]),
        ({"items": "7,1-3,2"}, [1, 2, 3, 7]),
        ({"items": "29-99"}, [29, 30]),
        ({"start": 29}, [29, 30]),
        ({"end": 2}, [1, 2]),
        ({"start": 4, "end": 6}, [4, 5, 6]),
        ({"items": "1-10", "start": 9}, [9, 10]),
        ({"items": "1-3", "is_reversed": True}, [3, 2, 1]),
        ({"filters": {"min_duration": 1740}}, [29, 30]),
        ({"filters": {"min_views": 20, "max_views": 40}}, [2, 3, 4]),
        ({"filters": {"date_after": "20260109"}}, [9, 19, 29]),
        ({"sort_by": "view_count", "end": 3}, [3, 2, 1]),
        ({"sort_by": "title", "items": "2,10"}, [10, 2]),
    ],
)
def test_takes_what_is_asked_for_in_the_order_that_is_asked_for(
    wanted: dict[str, Any], numbers_of_30: list[int]
) -> None:
    assert chosen(30, **wanted) == numbers_of_30


def test_what_an_entry_does_not_say_lets_it_through_no_filter() -> None:
    silent = {"playlist_index": 1, "title": None, "upload_date": None, "duration": None, "view_count": None}
    plan = Selection(filters={"min_duration": 0}).plan([silent], is_truncated=False)
    assert plan == []
    assert Selection(sort_by="title").plan([silent], is_truncated=False) == [silent]


def test_items_that_are_not_there_are_an_error_and_an_empty_list_is_none() -> None:
    with pytest.raises(NothingError):
        chosen(10, items="11-20")
    assert chosen(0) == []


@pytest.mark.parametrize("wanted", [{}, {"items": "5-"}, {"items": "1-11"}, {"start": 3}, {"end": 11}])
def test_a_list_that_goes_on_beyond_what_was_read_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(TooManyError):
        chosen(10, is_truncated=True, **wanted)


@pytest.mark.parametrize("wanted", [{"items": "1-10"}, {"items": "1-", "end": 10}, {"max_downloads": 3}])
def test_what_lies_within_what_was_read_is_not_refused(wanted: dict[str, Any]) -> None:
    assert chosen(10, is_truncated=True, **wanted) == list(range(1, 11))


@given(st.sets(st.integers(1, 500), min_size=1))
def test_numbers_are_written_so_that_they_are_read_back(wanted: set[int]) -> None:
    text = numbers(wanted)
    assert {number for first, last in ranges(text) for number in range(first, int(last) + 1)} == wanted
    assert not is_backwards(text)


def test_numbers_beyond_the_list_name_nothing() -> None:
    assert named_by("2-3,8-,20", 9) == {2, 3, 8, 9}


def test_a_selection_survives_its_row() -> None:
    wanted = Selection(items="1-3", filters={"min_views": 1}, max_downloads=4, skips_downloaded=False)
    assert Selection.from_json(wanted.to_json()) == wanted
