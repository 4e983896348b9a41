from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.engine.progress import INTERVAL_SECONDS, Part, Progress, part_key, parts_of

VIDEO = Part(key="v", size=900, weight=900.0)
AUDIO = Part(key="a", size=100, weight=100.0)


def arriving(downloaded: int, **more: Any) -> dict[str, Any]:
    return {"status": "downloading", "downloaded_bytes": downloaded, **more}


def test_counts_all_formats_as_one_whole() -> None:
    progress = Progress([VIDEO, AUDIO])
    progress.update("v", arriving(450, total_bytes=900), 1.0)
    assert progress.report(1.0) == {
        "percent": 42.8,
        "downloaded_bytes": 450,
        "total_bytes": 1000,
        "speed": None,
        "eta": None,
        "is_between_formats": False,
    }
    progress.update("v", {"status": "finished", "downloaded_bytes": 900, "total_bytes": 900}, 2.0)
    progress.update("a", arriving(50, total_bytes=100), 3.0)
    assert progress.report(3.0)["percent"] == 90.2
    assert progress.report(3.0)["is_between_formats"]


def test_stops_short_of_the_end_until_postprocessing_is_done() -> None:
    progress = Progress([VIDEO])
    progress.update("v", {"status": "finished", "total_bytes": 900}, 1.0)
    assert progress.report(1.0)["percent"] == 95.0
    assert progress.rise_to(99.0, 2.0)["percent"] == 99.0
    assert progress.report(3.0)["percent"] == 99.0
    assert progress.rise_to(100.0, 4.0) == {
        "percent": 100.0,
        "downloaded_bytes": 900,
        "total_bytes": 900,
        "speed": None,
        "eta": None,
        "is_between_formats": False,
    }


def test_an_earlier_attempts_finished_file_counts_as_done() -> None:
    progress = Progress([VIDEO, AUDIO])
    progress.update("v", {"status": "finished", "total_bytes": 900}, 1.0)
    assert progress.report(1.0)["downloaded_bytes"] == 900


def test_goes_by_fragments_where_sizes_are_guesses() -> None:
    progress = Progress([Part(key="v", size=None, weight=1.0)])
    status = arriving(10, total_bytes_estimate=20, fragment_index=1, fragment_count=4)
    progress.update("v", status, 1.0)
    report = progress.report(1.0)
    assert report["percent"] == 23.8
    assert report["total_bytes"] == 20


def test_says_nothing_of_what_it_cannot_know() -> None:
    progress = Progress([Part(key="v", size=None, weight=1.0), AUDIO])
    progress.update("v", arriving(10), 1.0)
    report = progress.report(1.0)
    assert report["percent"] == 0.0
    assert report["total_bytes"] is None
    assert report["eta"] is None


def test_takes_up_a_format_that_nobody_planned() -> None:
    progress = Progress()
    assert progress.total_bytes is None
    assert progress.report(0.0)["percent"] == 0.0
    progress.update("surprise", arriving(5, total_bytes=10), 1.0)
    assert progress.report(1.0)["percent"] == 47.5


def test_ignores_nonsense() -> None:
    progress = Progress([VIDEO])
    progress.update("v", arriving(10, total_bytes=float("nan"), fragment_count=-1), 1.0)
    progress.update("v", {"status": "downloading", "downloaded_bytes": None, "total_bytes": "x"}, 1.0)
    assert progress.report(1.0)["downloaded_bytes"] == 10


def test_measures_the_speed_over_the_last_seconds() -> None:
    progress = Progress([Part(key="v", size=10_000, weight=1.0)])
    assert progress.speed(0.0) is None
    for second in range(11):
        progress.update("v", arriving(second * 100 if second < 6 else second * 500, total_bytes=10_000), float(second))
    report = progress.report(10.0)
    assert report["speed"] == pytest.approx(900, abs=100)
    assert report["eta"] == round(5000 / (4500 / 5))


def test_knows_no_speed_within_an_instant() -> None:
    progress = Progress([VIDEO])
    progress.update("v", arriving(1), 1.0)
    progress.update("v", arriving(2), 1.0 + INTERVAL_SECONDS)
    assert progress.speed(1.0) is None


def test_is_due_a_few_times_a_second() -> None:
    progress = Progress([VIDEO])
    assert progress.is_due(1.0)
    progress.report(1.0)
    assert not progress.is_due(1.1)
    assert progress.is_due(1.25)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("vax"),
            st.integers(0, 2000),
            st.none() | st.integers(0, 2000),
            st.none() | st.integers(0, 9),
            st.none() | st.integers(0, 9),
            st.sampled_from(["downloading", "finished", "error"]),
        )
    )
)
def test_never_goes_back_and_never_passes_the_bound(steps: list[tuple[Any, ...]]) -> None:
    progress, last = Progress([VIDEO, AUDIO]), 0.0
    for now, (key, downloaded, total, index, count, status) in enumerate(steps):
        progress.update(
            key,
            {
                "status": status,
                "downloaded_bytes": downloaded,
                "total_bytes": total,
                "fragment_index": index,
                "fragment_count": count,
            },
            float(now),
        )
        percent = progress.report(float(now))["percent"]
        assert last <= percent <= 95.0
        last = percent


@pytest.mark.parametrize(
    ("formats", "weights"),
    [
        ([{"filesize": 900}, {"filesize_approx": 100}], [900.0, 100.0]),
        ([{"filesize": 1000, "tbr": 2}, {"tbr": 3}], [0.8, 3.0]),
        ([{"tbr": 800}, {"tbr": 128}], [800.0, 128.0]),
        ([{"vcodec": "h264"}, {"vcodec": "none"}], [9.0, 1.0]),
        ([{"filesize": 5}, {"vcodec": "none"}], [9.0, 1.0]),
    ],
)
def test_formats_weigh_as_much_as_is_known_of_them(formats: list[dict[str, Any]], weights: list[float]) -> None:
    info = {"duration": 10, "requested_formats": [{**item, "format_id": str(n)} for n, item in enumerate(formats)]}
    parts = parts_of(info)
    assert [part.weight for part in parts] == weights
    assert [part.key for part in parts] == ["0", "1"]


def test_a_single_format_is_the_whole() -> None:
    assert parts_of({"format_id": "22", "filesize": 5}) == [Part(key="22", size=5, weight=5.0)]
    assert part_key({}) == "media"
