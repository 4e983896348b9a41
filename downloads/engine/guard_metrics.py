"""A guard's counters for Prometheus, on a port of their own: one that runs by itself has nobody to carry them over."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, disable_created_metrics, start_http_server
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from downloads.engine.guard_stats import Stats, verdicts


class StatsCollector(Collector):
    """The names are those of /api/v1/metrics."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        now = self._stats.snapshot()
        requests = CounterMetricFamily(
            "egress_requests", "Connections that workers asked of the guard.", labels=["verdict", "reason"]
        )
        for verdict, reason, count in verdicts(now):
            requests.add_metric([verdict, reason], count)
        yield requests
        yield CounterMetricFamily("egress_bytes", "Bytes that the guard has relayed.", value=now["relayed_bytes"])


def serve(stats: Stats, host: str, port: int) -> None:
    """In a thread, until the process ends. Raises OSError."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
    registry = CollectorRegistry()
    registry.register(StatsCollector(stats))
    start_http_server(port, host, registry)
