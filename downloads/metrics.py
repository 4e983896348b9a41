"""What Prometheus is told: requests as this process counts them, everything else from rows at the time of asking.

Counters of workers live in the database, since their processes are others. With several web processes
PROMETHEUS_MULTIPROC_DIR (an empty directory at start) lets each answer for all.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from downloads import bell, diagnosis, storage
from downloads.health import HEALTH
from downloads.models import Job, MediaFile, Node, Probe
from downloads.models import counter as counters
from downloads.models.statuses import FINISHED
from webhooks.models import Delivery, Failure
from webhooks.models.delivery import ATTEMPTS, OVER
from webhooks.models.delivery import ENDED as ENDED_DELIVERIES

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# The labels of a counter, and the series that it has from the beginning.
Known = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
UNLABELLED: Known = ((), ((),))
ENDED: Known = (("status",), tuple((str(status),) for status in FINISHED))
ERRORS: Known = (("code",), ())
VERDICTS: Known = (("verdict", "reason"), (("allowed", ""),))
OUTCOMES: Known = (("outcome",), tuple((str(outcome),) for outcome in ("delivered", *Failure)))
ENDS: Known = (("outcome",), tuple((str(status),) for status in OVER))
LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)

# A time of creation for each series would double their number.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
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
        yield from _service_gauges()
        yield from _job_gauges()
        yield from _storage_gauges()
        yield from _node_gauges()
        yield from _stored_counters()

    def describe(self) -> list[Metric]:
        """Nothing: the registry must not ask the database when this is registered."""
        return []


def _service_gauges() -> Iterator[Metric]:
    build = GaugeMetricFamily("mediadl_build", "Always 1; the label says which version answers.", labels=["version"])
    build.add_metric([diagnosis.version()], 1)
    yield build
    health = GaugeMetricFamily("mediadl_health", "1 for the verdict of /api/v1/health, else 0.", labels=["status"])
    verdict = HEALTH.report().verdict
    for status in ("healthy", "degraded", "unhealthy"):
        health.add_metric([status], status == verdict)
    yield health


def _job_gauges() -> Iterator[Metric]:
    counts = Job.objects.count_by_status()
    jobs = GaugeMetricFamily("jobs_stored", "Jobs whose rows are there.", labels=["status"])
    for status, count in counts.items():
        jobs.add_metric([status], count)
    yield jobs
    yield GaugeMetricFamily("jobs_in_flight", "Jobs that run now.", value=counts["running"])
    depth = GaugeMetricFamily("queue_depth", "What waits for a worker and could start now.", labels=["lane"])
    oldest = GaugeMetricFamily("oldest_queued_seconds", "How long the first of it has been waiting.", labels=["lane"])
    depth.add_metric([bell.DOWNLOAD], Job.objects.eligible().count())
    depth.add_metric([bell.PROBE], Probe.objects.queued().count())
    oldest.add_metric([bell.DOWNLOAD], Job.objects.longest_wait_seconds())
    oldest.add_metric([bell.PROBE], Probe.objects.longest_wait_seconds())
    yield from (depth, oldest)
    yield GaugeMetricFamily(
        "webhook_deliveries_due", "Messages of webhooks that could be sent now.", value=Delivery.objects.due().count()
    )


def _storage_gauges() -> Iterator[Metric]:
    yield GaugeMetricFamily("storage_bytes_used", "Bytes of published files.", value=Job.objects.stored_bytes())
    yield GaugeMetricFamily("storage_bytes_total", "Size of the file system of DATA_DIR.", value=storage.total_bytes())
    yield GaugeMetricFamily("storage_bytes_free", "Bytes left on it.", value=storage.free_bytes())
    yield GaugeMetricFamily("files_stored", "Published files.", value=MediaFile.objects.stored().count())


def _node_gauges() -> Iterator[Metric]:
    age = GaugeMetricFamily("worker_heartbeat_age_seconds", "Since the node was last heard of.", labels=["node"])
    slots = GaugeMetricFamily("worker_slots", "Jobs that the node runs at a time.", labels=["node"])
    now = timezone.now()
    for node in Node.objects.workers():
        age.add_metric([node.name], max(0.0, (now - node.seen_at).total_seconds()))
        slots.add_metric([node.name], node.slots)
    yield from (age, slots)


def _stored_counters() -> Iterator[Metric]:
    rows: dict[str, list[counters.Counter]] = defaultdict(list)
    for row in counters.Counter.objects.all():
        rows[row.name].append(row)
    yield _series("jobs", "Jobs that have ended, by status.", rows[counters.JOBS], ENDED)
    yield _series("job_errors", "Jobs that have failed, by code.", rows[counters.JOB_ERRORS], ERRORS)
    yield _series("bytes_downloaded", "Bytes of completed jobs.", rows[counters.BYTES_DOWNLOADED], UNLABELLED)
    yield _series(
        "egress_requests", "Connections that workers asked of the guard.", rows[counters.EGRESS_REQUESTS], VERDICTS
    )
    yield _series("egress_bytes", "Bytes that the guard has relayed.", rows[counters.EGRESS_BYTES], UNLABELLED)
    yield _series("webhook_attempts", "Attempts to send a webhook's message.", rows[ATTEMPTS], OUTCOMES)
    yield _series("webhook_deliveries", "Messages that were delivered or given up.", rows[ENDED_DELIVERIES], ENDS)
    buckets = {row.label_set["le"]: row.value for row in rows[counters.JOB_SECONDS_BUCKET]}
    yield _durations(buckets, sum(row.value for row in rows[counters.JOB_SECONDS_SUM]))


def _series(name: str, text: str, rows: Iterable[counters.Counter], known: Known) -> CounterMetricFamily:
    """With nought for the known ones that no row counts yet: a rate needs a beginning."""
    labels, expected = known
    values = dict.fromkeys(expected, 0.0) | {tuple(row.label_set[label] for label in labels): row.value for row in rows}
    family = CounterMetricFamily(name, text, labels=labels)
    for series, value in values.items():
        family.add_metric(series, value)
    return family


def _durations(counted: dict[str, float], total_seconds: float) -> HistogramMetricFamily:
    shown, below = [], 0.0
    for bound in counters.BOUNDS:
        below += counted.get(bound, 0.0)
        shown.append((bound if bound == "+Inf" else f"{float(bound)}", below))
    histogram = HistogramMetricFamily("job_duration_seconds", "From start to completion.")
    histogram.add_metric([], buckets=shown, sum_value=total_seconds)
    return histogram
