"""How each operation is described in the OpenAPI document: what it does, with an example. Used with extend_schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from downloads.api import examples
from downloads.api.problem import CONTENT_TYPE
from downloads.api.query import FileQuery, ListQuery, LogsQuery, WaitQuery
from downloads.api.requests import DownloadRequestSerializer, KeepRequestSerializer, NothingSerializer
from downloads.api.responses import (
    DownloadListSerializer,
    DownloadSerializer,
    HealthSerializer,
    LogsSerializer,
    ProbeSerializer,
    ProblemSerializer,
    RemovalSerializer,
    StatsSerializer,
)
from downloads.models import Status

Description = dict[str, Any]

DOWNLOADS, FILES, EVENTS_TAG, OPERATIONS = ["downloads"], ["files"], ["events"], ["operations"]


def header(name: str, description: str, kind: Any = str, status_codes: list[str] | None = None) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, description=description, response=status_codes or True)


def answer(name: str, value: Any, status: int = 200, kind: str = "application/json") -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=[str(status)], media_type=kind)


def asked(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True)


IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The last ETag: an unchanged job is answered with 304."
)
ETAG = header("ETag", "Changes with the job.", status_codes=["200", "304"])

CREATE: Description = {
    "operation_id": "download_create",
    "tags": DOWNLOADS,
    "summary": "Submit a download",
    "description": "Creates a job and answers at once; a worker takes it up. Follow it by `Location`, by its events, "
    "or by a webhook.",
    "parameters": [header("Location", "The path of the job.", status_codes=["201"])],
    "request": DownloadRequestSerializer,
    "responses": {201: DownloadSerializer, (400, CONTENT_TYPE): ProblemSerializer},
    "examples": [
        asked("A video in 1080p", examples.REQUEST),
        asked("Only the sound", examples.AUDIO_REQUEST),
        answer("Queued", examples.QUEUED, 201),
    ],
}
LIST: Description = {
    "operation_id": "download_list",
    "tags": DOWNLOADS,
    "summary": "List your downloads",
    "description": "Newest first, unless `ordering` says otherwise. `next` and `previous` are the addresses of the "
    "neighbouring pages.",
    "parameters": [
        ListQuery,
        OpenApiParameter(
            "status",
            {"type": "array", "items": {"type": "string", "enum": list(Status.values)}, "minItems": 1},
            style="form",
            explode=False,
            description="Any of these, joined by commas.",
        ),
    ],
    "responses": {200: DownloadListSerializer},
    "examples": [answer("A page", {"results": [examples.COMPLETED], "next": None, "previous": None})],
}
RETRIEVE: Description = {
    "operation_id": "download_retrieve",
    "tags": DOWNLOADS,
    "summary": "Show a download",
    "description": "With `wait`, answers when the status or stage has changed from the one that If-None-Match names "
    "(or else from the present one), or when the time is over. A finished job is answered at once.",
    "parameters": [WaitQuery, IF_NONE_MATCH, ETAG],
    "responses": {200: DownloadSerializer, 304: OpenApiResponse(description="The job is as the client knows it.")},
    "examples": [answer("Running", examples.RUNNING), answer("Completed", examples.COMPLETED)],
}
LOGS: Description = {
    "operation_id": "download_logs",
    "tags": DOWNLOADS,
    "summary": "Read a download's log",
    "description": "Oldest first. `after` takes the `timestamp` of the last line that you have.",
    "parameters": [LogsQuery],
    "responses": {200: LogsSerializer},
    "examples": [answer("A log", examples.LOGS)],
}
DESTROY: Description = {
    "operation_id": "download_destroy",
    "tags": DOWNLOADS,
    "summary": "Cancel or delete a download",
    "description": "Cancels a job that has not finished, at once. Deletes a finished one, with its files.",
    "responses": {200: RemovalSerializer},
    "examples": [answer("Cancelled", examples.CANCELLED), answer("Deleted", examples.DELETED)],
}


def _steering(name: str, summary: str, description: str, example: OpenApiExample) -> Description:
    return {
        "operation_id": f"download_{name}",
        "tags": DOWNLOADS,
        "summary": summary,
        "description": description,
        "request": NothingSerializer,
        "responses": {200: DownloadSerializer},
        "examples": [example],
    }


PAUSE = _steering(
    "pause",
    "Pause a download",
    "Of a queued or running job. What has been fetched is kept, so that it goes on from there.",
    answer("Paused", examples.PAUSED),
)
RESUME = _steering(
    "resume",
    "Resume a download",
    "Puts a paused job back in the queue, if that has room for it. It was counted when it was submitted.",
    answer("Queued", examples.QUEUED),
)
RETRY = _steering(
    "retry",
    "Retry a download",
    "Puts a failed or cancelled job back in the queue. All is fetched anew, so it counts like another submission: for "
    "the rate, the queue, and the jobs of the day.",
    answer("Queued", examples.QUEUED),
)
KEEP: Description = {
    "operation_id": "download_keep",
    "tags": DOWNLOADS,
    "summary": "Keep a download's files",
    "description": "Cancels the deletion of a completed job's files, or sets a new time for it. 410 when they are "
    "gone.",
    "request": KeepRequestSerializer,
    "responses": {200: DownloadSerializer},
    "examples": [asked("For another week", {"retention_hours": 168}), answer("Kept", examples.COMPLETED)],
}
FILE: Description = {
    "operation_id": "file_retrieve",
    "tags": FILES,
    "summary": "Fetch a file",
    "description": "The bytes, whole or in part: Range, If-Range and the other conditions of RFC 9110 work, and so do "
    "resumed downloads. The file's name may follow as a last path segment. 410 when the file has been deleted.",
    "parameters": [
        FileQuery,
        OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="For example `bytes=0-1023`."),
        header("ETag", "Made of the content.", status_codes=["200", "206", "304"]),
        header("Content-Range", "Which part this is.", status_codes=["206", "416"]),
    ],
    "responses": {
        (200, "*/*"): OpenApiTypes.BINARY,
        (206, "*/*"): OpenApiTypes.BINARY,
        302: OpenApiResponse(description="The file is in a bucket: an address there that is good for an hour or more."),
        304: OpenApiResponse(description="The file is as the client knows it."),
    },
    "examples": [
        OpenApiExample("The first bytes", value="bytes=0-1023", parameter_only=("Range", OpenApiParameter.HEADER))
    ],
}


def _stream(name: str, summary: str, description: str) -> Description:
    return {
        "operation_id": name,
        "tags": EVENTS_TAG,
        "summary": summary,
        "description": f"{description} Each message's data is a JSON object `{{event, timestamp, request_id, data}}`, "
        "whose data is the Download; the first ones say how things stand. A comment comes every 15 seconds, and "
        "the stream ends after 14 minutes: reconnect, as EventSource does by itself.",
        "parameters": [
            OpenApiParameter(
                "Last-Event-ID",
                str,
                OpenApiParameter.HEADER,
                description="The last id seen, to be told what was missed.",
            )
        ],
        "responses": {(200, "text/event-stream"): OpenApiTypes.STR},
        "examples": [answer("A message", examples.EVENT, kind="text/event-stream")],
    }


EVENTS = _stream("events", "Follow all your downloads", "Server-sent events.")
JOB_EVENTS = _stream(
    "download_events", "Follow a download", "Server-sent events; one named `end` is the last when the job has finished."
)
HEALTH: Description = {
    "operation_id": "health",
    "tags": OPERATIONS,
    "summary": "Is the service well?",
    "description": "Degraded: it works, but something is missing. Unhealthy: it does not do its work. Needs no key.",
    "responses": {200: HealthSerializer, 503: HealthSerializer},
    "examples": [answer("Healthy", examples.HEALTH)],
}
LIVE: Description = {
    "operation_id": "health_live",
    "tags": OPERATIONS,
    "summary": "Does the process answer?",
    "description": "Asks nothing of the database. Needs no key.",
    "responses": {200: ProbeSerializer},
    "examples": [answer("Live", {"status": "ok", "message": "The process answers."})],
}
READY: Description = {
    "operation_id": "health_ready",
    "tags": OPERATIONS,
    "summary": "Can requests be served?",
    "description": "Whether the database answers and is up to date. Needs no key.",
    "responses": {200: ProbeSerializer, 503: ProbeSerializer},
    "examples": [answer("Ready", {"status": "ok", "message": "The database answers and is up to date."})],
}
STATS: Description = {
    "operation_id": "stats",
    "tags": OPERATIONS,
    "summary": "Sum up the downloads",
    "description": "Yours; those of the whole service with the scope `admin`.",
    "responses": {200: StatsSerializer},
    "examples": [answer("Statistics", examples.STATS)],
}
METRICS: Description = {
    "operation_id": "metrics",
    "tags": OPERATIONS,
    "summary": "Metrics for Prometheus",
    "description": "Also at `/metrics`. Needs the scope `admin`, or METRICS_TOKEN as a bearer token.",
    "responses": {(200, "text/plain"): OpenApiTypes.STR},
    "examples": [answer("Some of it", "jobs_in_flight 2.0\n", kind="text/plain")],
}
