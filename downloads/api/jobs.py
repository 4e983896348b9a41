"""Downloads: submit, list, follow, steer and remove them. What a job is and does is in downloads.models."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.limits import RateScope
from accounts.principal import principal_of
from downloads import events, library, retention, submission
from downloads.api import describe
from downloads.api.idempotency import idempotent
from downloads.api.pagination import link, page_of, position_of
from downloads.api.problem import Problem
from downloads.api.query import ListQuery, LogsQuery, NoQuery, WaitQuery
from downloads.api.representation import represent, written
from downloads.api.requests import DownloadRequestSerializer, KeepRequestSerializer, NothingSerializer
from downloads.models import Job, JobLog, MediaFile, Status, TransitionError
from downloads.models.jobs import JobQuerySet

WAITED = "mediadl.waited"
ETAG_DOTS = 3
# The last three say the place in the queue.
ETAG_FIELDS = ("version", "status", "stage", "owner", "priority", "eligible_at")
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 0.5


class DownloadViewSet(GenericViewSet[Job]):
    lookup_url_kwarg = "request_id"
    lookup_value_converter = "uuid"
    serializer_class = DownloadRequestSerializer
    rate_scope: RateScope | None = None
    required_scopes: ClassVar[dict[str, str]] = {"create": "submit"}

    def get_queryset(self) -> JobQuerySet:
        return Job.objects.owned_by(principal_of(self.request).user)

    def job(self, request_id: uuid.UUID) -> Job:
        job: Job = get_object_or_404(self.get_queryset(), pk=request_id)
        return job

    # --- All of them ------------------------------------------------------------------------------------------

    @extend_schema(**describe.CREATE)
    @idempotent()
    def create(self, request: Request) -> Response:
        NoQuery.read(request)
        wanted = DownloadRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        job = submission.submit(principal_of(request), wanted.validated_data)
        location = {"Location": f"/api/v1/download/{job.pk}"}
        return Response(represent(job, files=[]), status=status.HTTP_201_CREATED, headers=location)

    @extend_schema(**describe.LIST)
    def list(self, request: Request) -> Response:
        query = ListQuery.read(request)
        ordering = library.ORDERINGS[query["ordering"]]
        position = position_of(query["cursor"], ordering) if query["cursor"] is not None else None
        page = page_of(library.select(principal_of(request).user, _filter(query)), ordering, query["limit"], position)
        files = library.files_of(page.rows)
        given = request.query_params.dict()
        return Response(
            {
                "results": [represent(job, files=files[job.pk]) for job in page.rows],
                "next": link(request.path, given, page.next, ordering),
                "previous": link(request.path, given, page.previous, ordering),
            }
        )

    # --- One --------------------------------------------------------------------------------------------------

    @extend_schema(**describe.RETRIEVE)
    def retrieve(self, request: Request, request_id: uuid.UUID) -> Response | HttpResponse:
        seconds = WaitQuery.read(request)["wait"]
        if not seconds and "If-None-Match" not in request.headers:
            return _answer(self.job(request_id))
        last_event = events.last_event_id(request_id) if seconds else 0
        glance = self.glance(request_id)
        if seconds and not request.META.get(WAITED) and not _has_news(glance, request):
            if WAITED in request.META:
                return _wait_without_a_thread(glance, seconds, last_event)
            self._wait(glance, seconds)
            glance = self.glance(request_id)
        return _unchanged(glance, request) or _answer(self.job(request_id))

    def glance(self, request_id: uuid.UUID) -> Job:
        """As much of the job as its ETag is made of: most who ask know the rest."""
        job: Job = get_object_or_404(self.get_queryset().only(*ETAG_FIELDS), pk=request_id)
        return job

    def _wait(self, job: Job, seconds: int) -> None:
        """Where no layer over us does it: asks for the row again and again, outside any transaction."""
        deadline, pause = time.monotonic() + seconds, FIRST_PAUSE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
            state = Job.objects.filter(pk=job.pk).values_list("status", "stage").first()
            if state != (job.status, job.stage):
                break

    @extend_schema(**describe.LOGS)
    @action(detail=True, methods=["get"])
    def logs(self, request: Request, request_id: uuid.UUID) -> Response:
        query = LogsQuery.read(request)
        lines = JobLog.objects.filter(job=self.job(request_id)).at_level(query["level"])
        shown = lines.filter(timestamp__gt=query["after"]) if query["after"] else lines
        return Response(
            {
                "request_id": str(request_id),
                "logs": [
                    {"timestamp": written(line.timestamp), "level": line.level, "message": line.message}
                    for line in shown
                ],
                "total_count": lines.count(),
            }
        )

    @extend_schema(**describe.DESTROY)
    def destroy(self, request: Request, request_id: uuid.UUID) -> Response:
        NoQuery.read(request)
        job = self.job(request_id)
        if not job.is_finished:
            job.cancel()
            return _removed(job, "cancelled", "The job is cancelled. Delete it once more to remove it from the list.")
        if not retention.delete_jobs([job]):
            raise TransitionError("delete", "no longer finished")
        return _removed(job, "deleted", "The job and its files are deleted.")

    # --- Steering -----------------------------------------------------------------------------------------------

    @extend_schema(**describe.PAUSE)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, request_id: uuid.UUID) -> Response:
        return self._steer(request, request_id, Job.pause)

    @extend_schema(**describe.RESUME)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, request_id: uuid.UUID) -> Response:
        return self._steer(request, request_id, partial(submission.resume, principal_of(request)))

    @extend_schema(**describe.RETRY)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, request_id: uuid.UUID) -> Response:
        return self._steer(request, request_id, partial(submission.retry, principal_of(request)))

    @extend_schema(**describe.KEEP)
    @action(detail=True, methods=["post"])
    def keep(self, request: Request, request_id: uuid.UUID) -> Response:
        wanted = KeepRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        job, hours = self.job(request_id), wanted.validated_data["retention_hours"]
        if job.status == Status.COMPLETED and not MediaFile.objects.filter(job=job).stored().exists():
            raise Problem(410, "file_expired", "The files of this job have been deleted already.")
        job.keep(None if hours is None else timedelta(hours=hours))
        return _answer(job)

    def _steer(self, request: Request, request_id: uuid.UUID, verb: Callable[[Job], None]) -> Response:
        NothingSerializer(data=request.data).is_valid(raise_exception=True)
        job = self.job(request_id)
        verb(job)
        return _answer(job)


def _answer(job: Job) -> Response:
    position = _queue_position(job)
    files = list(MediaFile.objects.filter(job=job))
    return Response(represent(job, files=files, queue_position=position), headers={"ETag": _etag(job, position)})


def _unchanged(job: Job, request: Request) -> Response | None:
    given = _given_etags(request)
    etag = _etag(job, _queue_position(job)) if given else ""
    return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag}) if etag in given else None


def _queue_position(job: Job) -> int | None:
    """None for a job that waits for a time and not for its turn."""
    if job.status != Status.QUEUED or job.eligible_at > timezone.now():
        return None
    return Job.objects.ahead_of(job).count() + 1


def _etag(job: Job, position: int | None) -> str:
    """Weak: made of the row's version and not of the answer. `_has_news` reads the state in it."""
    return f'W/"{job.version}.{job.status}.{job.stage}.{position or ""}"'


def _given_etags(request: Request) -> list[str]:
    return [f"W/{etag.removeprefix('W/')}" for etag in parse_etags(request.headers.get("If-None-Match", ""))]


def _has_news(job: Job, request: Request) -> bool:
    """Whether there is nothing to wait for: it has ended, or is not in the state that the client knows any more."""
    known = [etag.split(".")[1:3] for etag in _given_etags(request) if etag.count(".") == ETAG_DOTS]
    return job.is_finished or (bool(known) and [job.status, job.stage] not in known)


def _wait_without_a_thread(job: Job, seconds: int, last_event: int) -> HttpResponse:
    """The layer over us asks again when the job has moved, or the time is over (mediadl/asgi/events.py)."""
    channel = events.moves_channel(job.pk)
    return HttpResponse(headers={"X-Accel-Events": channel, "X-Accel-Wait": seconds, "X-Accel-After": last_event})


def _removed(job: Job, outcome: str, message: str) -> Response:
    return Response({"request_id": str(job.pk), "status": outcome, "message": message})


def _filter(query: dict[str, Any]) -> library.Filter:
    return library.Filter(
        statuses=query["status"],
        text=query["q"],
        tag=query["tag"],
        batch_id=query["batch_id"],
        created_after=query["created_after"],
        created_before=query["created_before"],
    )
