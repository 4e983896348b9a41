from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from accounts.models import User
from downloads import sweeping
from downloads.console.charts import Series, stacked
from downloads.console.history import SPANS, charts, span_named
from downloads.models import Sample
from tests.factories import JobFactory, MediaFileFactory
from tests.web.conftest import signed_in

NOW = datetime(2026, 5, 3, 12, 7, tzinfo=UTC)


def ago(**age: float) -> datetime:
    return NOW - timedelta(**age)


def note(at: datetime, completed: int, failed: int = 0, downloaded_bytes: int = 0) -> None:
    Sample.objects.create(taken_at=at, completed=completed, failed=failed, downloaded_bytes=downloaded_bytes)


# --- Numbers into bars ------------------------------------------------------------------------------------------


def test_bars_stand_upon_each_other_and_the_highest_column_fills_the_height() -> None:
    chart = stacked(
        "Jobs",
        ["a", "b"],
        [Series(name="good", tone="good", values=[3, 0]), Series(name="bad", tone="bad", values=[1, 2])],
    )
    assert (chart.summary, chart.view_box) == ("6 in all, 4 at most", "0 0 2 100")
    assert [(bar.tone, bar.x, bar.y, bar.height) for bar in chart.columns[0].bars] == [
        ("good", "0.15", "25.00", "75.00"),
        ("bad", "0.15", "0.00", "25.00"),
    ]
    assert [(bar.tone, bar.x, bar.y, bar.height) for bar in chart.columns[1].bars] == [
        ("bad", "1.15", "50.00", "50.00")
    ]
    assert chart.columns[0].words == "a: 3 good, 1 bad"


def test_nothing_is_drawn_of_nothing() -> None:
    chart = stacked("Jobs", ["a"], [Series(name="good", tone="good", values=[0])])
    assert chart.columns[0].bars == []
    assert chart.summary == "0 in all, 0 at most"


# --- Samples into columns ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_columns_are_what_came_between_the_edges() -> None:
    note(ago(hours=30), 10)
    note(ago(hours=3, minutes=7), 100, 2)
    note(ago(hours=2, minutes=7), 130, 5, 700)
    with time_machine.travel(NOW, tick=False):
        ended, arrived = charts(span_named("day"))
    figures = {column.label: column.figures for column in ended.columns}
    assert len(ended.columns) == 24
    assert (ended.first, ended.last) == ("13:00", "12:00")
    assert figures["08:00"] == ["90", "2", "0"]
    assert figures["09:00"] == ["30", "3", "0"]
    assert ended.summary.startswith("125 in all")
    assert arrived.summary.startswith("700 B in all")


@pytest.mark.django_db
def test_what_ended_since_the_last_sample_is_counted_and_what_was_before_the_first_is_not() -> None:
    note(ago(minutes=20), 0)
    JobFactory(running=True).complete()
    with time_machine.travel(NOW, tick=False):
        for span in SPANS:
            ended, _ = charts(span)
            assert len(ended.columns) == span.count
            assert ended.columns[-1].figures == ["1", "0", "0"]
            assert ended.summary.startswith("1 in all")


@pytest.mark.django_db
def test_a_total_that_fell_after_a_restore_draws_nothing_below_the_ground() -> None:
    note(ago(hours=5), 50)
    note(ago(hours=4), 20)
    with time_machine.travel(NOW, tick=False):
        ended, _ = charts(span_named("day"))
    assert ended.summary.startswith("0 in all")


@pytest.mark.django_db
def test_the_sweep_takes_a_sample(data_dir: object) -> None:
    MediaFileFactory(size_bytes=900)
    sweeping.sample()
    sweeping.sample()
    sample = Sample.objects.get()
    assert sample.stored_bytes == 900
    assert sample.free_bytes


def test_the_page_has_a_chart_for_each_span(operator: User) -> None:
    site = signed_in(operator)
    for name, shown in (
        ("hour", "Last hour"),
        ("day", "Last 24 hours"),
        ("month", "Last 30 days"),
        ("x", "Last 24 hours"),
    ):
        answer = site.get("/admin/queue/", {"span": name})
        assert f'aria-current="true">{shown}</a>' in answer.text
        assert answer.text.count('<figure class="console-chart">') == 2
        assert "style=" not in answer.text.partition("<main")[2].partition("</main")[0]
