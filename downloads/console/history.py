"""What ended when, and how much was downloaded: the samples as charts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from downloads.console.charts import Chart, Series, levels, stacked
from downloads.models import Sample
from downloads.web.tags import size

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """`count` columns of `step` each; `format`, as Django has it, names one by its beginning."""

    name: str
    label: StrPromise
    step: timedelta
    count: int
    format: str

    def edges(self, now: datetime) -> list[datetime]:
        """The beginnings of the columns, at full steps of the clock, and the end of the last."""
        step = self.step.total_seconds()
        end = (now.timestamp() // step + 1) * step
        return [datetime.fromtimestamp(end - step * back, tz=UTC) for back in range(self.count, -1, -1)]

    def labels(self, edges: Sequence[datetime]) -> list[str]:
        return [date_format(edge, self.format) for edge in edges[:-1]]


SPANS = (
    Span(name="hour", label=_("Last hour"), step=timedelta(minutes=5), count=12, format="H:i"),
    Span(name="day", label=_("Last 24 hours"), step=timedelta(hours=1), count=24, format="H:00"),
    Span(name="month", label=_("Last 30 days"), step=timedelta(days=1), count=30, format="d M"),
)
BY_NAME = {span.name: span for span in SPANS}


def span_named(name: str) -> Span:
    return BY_NAME.get(name, BY_NAME["day"])


def charts(span: Span) -> list[Chart]:
    now = Sample.now()
    edges = span.edges(now.taken_at)
    samples = [*Sample.objects.since(edges[0]), now]
    labels = span.labels(edges)

    def growth(name: str) -> list[int]:
        return _growth(samples, edges, name)

    ended = [
        Series(name=gettext("completed"), tone="good", values=growth("completed")),
        Series(name=gettext("failed"), tone="bad", values=growth("failed")),
        Series(name=gettext("cancelled"), tone="quiet", values=growth("cancelled")),
    ]
    arrived = Series(name=gettext("downloaded"), tone="good", values=growth("downloaded_bytes"))
    return [
        stacked(gettext("Jobs that ended"), labels, ended),
        stacked(gettext("Bytes of completed jobs"), labels, [arrived], size),
    ]


def stored_chart(span: Span, stored_bytes: int) -> Chart:
    """Up to `stored_bytes`, which is now."""
    now = timezone.now()
    edges = span.edges(now)
    samples = list(Sample.objects.since(edges[0]))
    levels_then = _levels(samples, edges[1:-1], "stored_bytes") if samples else [0] * (span.count - 1)
    labels = span.labels(edges)
    series = Series(name=gettext("stored"), tone="good", values=[*levels_then, stored_bytes])
    return levels(gettext("Stored"), labels, series, size)


def _growth(samples: Sequence[Sample], edges: Sequence[datetime], name: str) -> list[int]:
    """Of a total, between one edge and the next: nothing before the first sample, and never less than nothing."""
    return [max(0, after - before) for before, after in pairwise(_levels(samples, edges, name))]


def _levels(samples: Sequence[Sample], edges: Sequence[datetime], name: str) -> list[int]:
    """As the last sample before each edge has it, and the first sample where there is none."""
    times = [sample.taken_at for sample in samples]
    return [getattr(samples[max(0, bisect_right(times, edge) - 1)], name) for edge in edges]
