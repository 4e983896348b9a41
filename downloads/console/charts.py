"""Bars as numbers: what a template needs to draw a chart as inline SVG. Pure.

The drawing is one unit wide for each column and HEIGHT units high, and stretched to its place; words stand around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

HEIGHT = 100.0
GAP = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """`tone`: good, bad or quiet, as the style sheet colours it."""

    name: str
    tone: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    tone: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`words`: what it shows, for who points at it. `x` is where it begins."""

    label: str
    words: str
    x: int
    figures: list[str]
    bars: list[Bar]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    title: str
    summary: str
    legend: list[tuple[str, str]]
    columns: list[Column]

    @property
    def view_box(self) -> str:
        return f"0 0 {max(1, len(self.columns))} {HEIGHT:g}"

    @property
    def ticks(self) -> list[str]:
        """What is written below it, from its beginning to its end."""
        quarters = [self.columns[len(self.columns) * quarter // 4].label for quarter in range(4)]
        return [*quarters, self.last]

    @property
    def first(self) -> str:
        return self.columns[0].label

    @property
    def last(self) -> str:
        return self.columns[-1].label


def stacked(title: str, labels: Sequence[str], series: Sequence[Series], shown: Callable[[int], str] = str) -> Chart:
    """Bars of several series upon each other, of what came. All have one value for each label."""
    total = sum(sum(one.values) for one in series)
    return _chart(title, gettext("{count} in all").format(count=shown(total)), labels, series, shown)


def levels(title: str, labels: Sequence[str], series: Series, shown: Callable[[int], str] = str) -> Chart:
    """Bars of what there was, the last of which is now."""
    return _chart(title, gettext("{count} now").format(count=shown(series.values[-1])), labels, [series], shown)


def _chart(
    title: str, summary: str, labels: Sequence[str], series: Sequence[Series], shown: Callable[[int], str]
) -> Chart:
    sums = [sum(values) for values in zip(*(one.values for one in series), strict=True)]
    top = max(sums, default=0)
    return Chart(
        title=title,
        summary=gettext("{summary}, {count} at most").format(summary=summary, count=shown(top)),
        legend=[(one.name, one.tone) for one in series] if len(series) > 1 else [],
        columns=[_column(number, label, series, top, shown) for number, label in enumerate(labels)],
    )


def _column(number: int, label: str, series: Sequence[Series], top: int, shown: Callable[[int], str]) -> Column:
    figures = [shown(one.values[number]) for one in series]
    bars, level = [], HEIGHT
    for one in series:
        if value := one.values[number]:
            height = HEIGHT * value / top
            level -= height
            width = 1 - 2 * GAP
            bars.append(
                Bar(tone=one.tone, x=f"{number + GAP:g}", y=f"{level:.2f}", width=f"{width:g}", height=f"{height:.2f}")
            )
    named = ", ".join(f"{figure} {one.name}" for figure, one in zip(figures, series, strict=True))
    return Column(label=label, words=f"{label}: {named}", x=number, figures=figures, bars=bars)
