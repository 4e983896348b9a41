"""What Prometheus is told: requests as this process counts them, everything else from rows at the time of asking.

Counters of workers live in the database, since their processes are others. With several web processes
PROMETHEUS_MULTIPROC_DIR (an empty directory at start) lets each answer for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db.models import Min
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from downloads import storage
from downloads.models import Job, MediaFile, Node
from downloads.models import counter as counters

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)

OWN = CollectorRegistry()
REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"], registry=OWN)
LATENCY = Histogram(
    "http_request_duration_seconds",
    "From the request's arrival at Django to its answer; the sending of files and events is not counted.",
    ["method", "route"],
    buckets=LATENCY_BOUNDS,
    registry=OWN,
)


class RequestMetricsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = self.get_response(request)
        method, route = _method_of(request), _route_of(request)
        REQUESTS.labels(method, route, str(response.status_code)).inc()
        LATENCY.labels(method, route).observe(time.perf_counter() - started)
        return response


def _method_of(request: HttpRequest) -> str:
    """Only known ones: whoever makes up methods must not make up series."""
    return request.method if request.method in METHODS else "other"


def _route_of(request: HttpRequest) -> str:
    match = request.resolver_match
    return f"/{match.route}" if match else "unmatched"


def exposition() -> bytes:
    """The text that a scrape gets."""
    registry = CollectorRegistry()
    registry.register(RowCollector())
    if settings.METRICS_DIR:
        MultiProcessCollector(registry, path=settings.METRICS_DIR)  # type: ignore[no-untyped-call]  # it has no types
        return generate_latest(registry)
    return generate_latest(OWN) + generate_latest(registry)


class RowCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from _job_gauges()
        yield from _storage_gauges()
        yield from _node_gauges()
        yield from _stored_counters()

    def describe(self) -> list[Metric]:
        """Nothing: the registry must not ask the database when this is registered."""
        return []


def _job_gauges() -> Iterator[Metric]:
    counts = Job.objects.count_by_status()
    jobs = GaugeMetricFamily("jobs_stored", "Jobs whose rows are there.", labels=["status"])
    for status, count in counts.items():
        jobs.add_metric([status], count)
    yield jobs
    yield GaugeMetricFamily("jobs_in_flight", "Jobs that run now.", value=counts["running"])
    depth = GaugeMetricFamily("queue_depth", "Jobs that wait for a worker and could start now.", labels=["lane"])
    depth.add_metric(["download"], Job.objects.eligible().count())
    yield depth
    yield GaugeMetricFamily(
        "oldest_queued_seconds", "How long the first of them has been waiting.", value=oldest_queued()
    )


def oldest_queued() -> float:
    """Seconds; 0 when nothing waits."""
    since = Job.objects.eligible().aggregate(since=Min("eligible_at"))["since"]
    return max(0.0, (timezone.now() - since).total_seconds()) if since else 0.0


def _storage_gauges() -> Iterator[Metric]:
    yield GaugeMetricFamily("storage_bytes_used", "Bytes of published files.", value=Job.objects.stored_bytes())
    yield GaugeMetricFamily("storage_bytes_total", "Size of the file system of DATA_DIR.", value=storage.total_bytes())
    yield GaugeMetricFamily("storage_bytes_free", "Bytes left on it.", value=storage.free_bytes())
    yield GaugeMetricFamily("files_stored", "Published files.", value=MediaFile.objects.stored().count())


def _node_gauges() -> Iterator[Metric]:
    age = GaugeMetricFamily("worker_heartbeat_age_seconds", "Since the node was last heard of.", labels=["node"])
    slots = GaugeMetricFamily("worker_slots", "Jobs that the node runs at a time.", labels=["node"])
    now = timezone.now()
    for node in Node.objects.all():
        age.add_metric([node.name], max(0.0, (now - node.seen_at).total_seconds()))
        slots.add_metric([node.name], node.slots)
    yield from (age, slots)


def _stored_counters() -> Iterator[Metric]:
    jobs = CounterMetricFamily("jobs", "Jobs that have ended, by status.", labels=["status"])
    errors = CounterMetricFamily("job_errors", "Jobs that have failed, by code.", labels=["code"])
    data = CounterMetricFamily("bytes_downloaded", "Bytes of completed jobs.")
    buckets, total_seconds = dict.fromkeys(counters.BOUNDS, 0.0), 0.0
    for row in counters.Counter.objects.all():
        if row.name == counters.JOBS:
            jobs.add_metric([row.label_set["status"]], row.value)
        elif row.name == counters.JOB_ERRORS:
            errors.add_metric([row.label_set["code"]], row.value)
        elif row.name == counters.BYTES_DOWNLOADED:
            data.add_metric([], row.value)
        elif row.name == counters.JOB_SECONDS_BUCKET:
            buckets[row.label_set["le"]] = row.value
        elif row.name == counters.JOB_SECONDS_SUM:
            total_seconds = row.value
    yield from (jobs, errors, data, _durations(buckets, total_seconds))


def _durations(buckets: dict[str, float], total_seconds: float) -> HistogramMetricFamily:
    shown, below = [], 0.0
    for bound in counters.BOUNDS:
        below += buckets[bound]
        shown.append((bound if bound == "+Inf" else f"{float(bound)}", below))
    histogram = HistogramMetricFamily("job_duration_seconds", "From start to completion.")
    histogram.add_metric([], buckets=shown, sum_value=total_seconds)
    return histogram
