"""Sums over jobs and files: the principal's own, or the whole service's for whoever administers it."""

from __future__ import annotations

from typing import Any

from django.db.models import Avg, F
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principal import principal_of
from downloads import storage
from downloads.api import describe
from downloads.api.query import NoQuery
from downloads.api.representation import written
from downloads.health import started_at, uptime_seconds
from downloads.models import Job, MediaFile, Status
from downloads.models.jobs import JobQuerySet


class StatsView(APIView):
    @extend_schema(**describe.STATS)
    def get(self, request: Request) -> Response:
        NoQuery.read(request)
        principal = principal_of(request)
        return Response(sums_of(Job.objects.all() if principal.is_operator else Job.objects.owned_by(principal.user)))


def sums_of(jobs: JobQuerySet) -> dict[str, Any]:
    counts = jobs.count_by_status()
    ended = counts[Status.COMPLETED] + counts[Status.FAILED]
    return {
        "total_jobs": sum(counts.values()),
        "jobs_by_status": counts,
        "average_download_time": _average_seconds(jobs),
        "success_rate": round(counts[Status.COMPLETED] / ended, 4) if ended else None,
        "storage_used_bytes": jobs.stored_bytes(),
        "storage_available_bytes": storage.free_bytes(),
        "active_files": MediaFile.objects.stored().filter(job__in=jobs).count(),
        "queue_size": counts[Status.QUEUED],
        "active_downloads": counts[Status.RUNNING],
        "uptime_seconds": uptime_seconds(),
        "started_at": written(started_at()),
    }


def _average_seconds(jobs: JobQuerySet) -> float | None:
    completed = jobs.filter(status=Status.COMPLETED, started_at__isnull=False)
    average = completed.aggregate(average=Avg(F("finished_at") - F("started_at")))["average"]
    return round(average.total_seconds(), 3) if average is not None else None
