"""What ended when, and how much was downloaded: the samples as charts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from downloads.console.charts import Chart, Series, stacked
from downloads.models import Sample
from downloads.web.tags import size


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """`count` columns of `step` each; `format` names one by its beginning."""

    name: str
    label: str
    step: timedelta
    count: int
    format: str

    def edges(self, now: datetime) -> list[datetime]:
        """The beginnings of the columns, at full steps of the clock, and the end of the last."""
        step = self.step.total_seconds()
        end = (now.timestamp() // step + 1) * step
        return [datetime.fromtimestamp(end - step * back, tz=UTC) for back in range(self.count, -1, -1)]


SPANS = (
    Span(name="hour", label="Last hour", step=timedelta(minutes=5), count=12, format="%H:%M"),
    Span(name="day", label="Last 24 hours", step=timedelta(hours=1), count=24, format="%H:00"),
    Span(name="month", label="Last 30 days", step=timedelta(days=1), count=30, format="%d %b"),
)
BY_NAME = {span.name: span for span in SPANS}


def span_named(name: str) -> Span:
    return BY_NAME.get(name, BY_NAME["day"])


def charts(span: Span) -> list[Chart]:
    now = Sample.now()
    edges = span.edges(now.taken_at)
    samples = [*Sample.objects.since(edges[0]), now]
    labels = [edge.strftime(span.format) for edge in edges[:-1]]

    def growth(name: str) -> list[int]:
        return _growth(samples, edges, name)

    ended = [
        Series(name="completed", tone="good", values=growth("completed")),
        Series(name="failed", tone="bad", values=growth("failed")),
        Series(name="cancelled", tone="quiet", values=growth("cancelled")),
    ]
    arrived = Series(name="downloaded", tone="good", values=growth("downloaded_bytes"))
    return [stacked("Jobs that ended", labels, ended), stacked("Bytes of completed jobs", labels, [arrived], size)]


def _growth(samples: Sequence[Sample], edges: Sequence[datetime], name: str) -> list[int]:
    """Of a total, between one edge and the next: nothing before the first sample, and never less than nothing."""
    times = [sample.taken_at for sample in samples]
    levels = [getattr(samples[max(0, bisect_right(times, edge) - 1)], name) for edge in edges]
    return [max(0, after - before) for before, after in pairwise(levels)]
