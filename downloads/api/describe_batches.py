"""How the operations on batches are described in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from downloads.api import examples
from downloads.api.batch_requests import (
    BatchListQuery,
    BatchRequestSerializer,
    ChannelRequestSerializer,
    PlaylistRequestSerializer,
)
from downloads.api.batch_shapes import BatchCancellationSerializer, BatchListSerializer, BatchSerializer
from downloads.api.describe import IF_NONE_MATCH, Description, answer, asked, header
from downloads.api.problem import CONTENT_TYPE
from downloads.api.requests import NothingSerializer
from downloads.api.responses import ProblemSerializer

TAGS = ["batches"]
BATCH_ID = "0199c4d6-3b20-7e4f-9c31-6a7d2e1f4b50"
LIST_URL = "https://videos.example.com/playlist/7"
ETAG = header("ETag", "Changes with the batch and its jobs.", status_codes=["200", "304"])
LOCATION = header("Location", "The path of the batch.", status_codes=["201"])

LINKS_REQUEST: dict[str, Any] = {
    "urls": ["https://videos.example.com/watch/42", "https://videos.example.com/watch/43"],
    "quality": "720p",
    "concurrent_limit": 2,
    "stop_on_error": False,
}
PLAYLIST_REQUEST: dict[str, Any] = {
    "url": LIST_URL,
    "items": "1-10,15,20-25",
    "skip_downloaded": True,
    "audio_only": True,
}
CHANNEL_REQUEST: dict[str, Any] = {
    "url": "https://videos.example.com/@faculty",
    "date_after": "20260101",
    "min_duration": 600,
    "sort_by": "view_count",
    "max_downloads": 20,
}
SUMMARY: dict[str, Any] = {
    "batch_id": BATCH_ID,
    "kind": "batch",
    "url": None,
    "title": None,
    "status": "running",
    "created_at": "2026-11-24T12:00:00Z",
    "updated_at": "2026-11-24T12:00:21Z",
    "completed_at": None,
    "total_urls": 2,
    "completed": 1,
    "failed": 0,
    "running": 1,
    "queued": 0,
    "paused": 0,
    "cancelled": 0,
    "skipped": 0,
    "progress_percent": 70.75,
    "error": None,
    "error_code": None,
    "concurrent_limit": 2,
    "client_reference": "",
    "tags": [],
    "archive_url": f"{examples.BASE}/api/v1/batch/{BATCH_ID}/archive",
}


def _entry(job: dict[str, Any], **changes: Any) -> dict[str, Any]:
    names = ("url", "request_id", "status", "title", "progress_percent", "file_url", "error", "error_code")
    return {name: job[name] for name in names} | changes


RUNNING: dict[str, Any] = SUMMARY | {
    "jobs": [
        _entry(examples.COMPLETED),
        _entry(examples.RUNNING, url="https://videos.example.com/watch/43"),
    ]
}
EXPANDING: dict[str, Any] = SUMMARY | {
    "kind": "playlist",
    "url": LIST_URL,
    "status": "expanding",
    "updated_at": "2026-11-24T12:00:00Z",
    "total_urls": 0,
    "completed": 0,
    "running": 0,
    "progress_percent": 0.0,
    "concurrent_limit": 3,
    "archive_url": None,
    "jobs": [],
}


def _creation(name: str, summary: str, description: str, wanted: Any, *, example: Any, made: Any) -> Description:
    return {
        "operation_id": name,
        "tags": TAGS,
        "summary": summary,
        "description": description,
        "parameters": [LOCATION],
        "request": wanted,
        "responses": {201: BatchSerializer, (400, CONTENT_TYPE): ProblemSerializer},
        "examples": [asked("A request", example), answer("The new batch", made, 201)],
    }


CREATE = _creation(
    "batch_create",
    "Submit several links",
    "A job for each, all of them or none: when one URL is refused, `errors` names it as `urls[3]`. The other options "
    "are those of a download.",
    BatchRequestSerializer,
    example=LINKS_REQUEST,
    made=RUNNING | {"status": "queued", "completed": 0, "running": 0, "queued": 2},
)
_READ_LATER = (
    " Answers at once; a worker reads the list and adds a job for each entry. When it cannot be read, the batch has "
    "failed, with the code of a job. More entries than MAX_PLAYLIST_ITEMS are `playlist_too_large`, unless only "
    "some of the first are wanted."
)
PLAYLIST = _creation(
    "playlist_download",
    "Download a playlist",
    "All of it, or `items`." + _READ_LATER,
    PlaylistRequestSerializer,
    example=PLAYLIST_REQUEST,
    made=EXPANDING,
)
CHANNEL = _creation(
    "channel_download",
    "Download a channel's videos",
    "Those that pass the filters; what a video does not say lets it through none." + _READ_LATER,
    ChannelRequestSerializer,
    example=CHANNEL_REQUEST,
    made=EXPANDING | {"kind": "channel", "url": "https://videos.example.com/@faculty"},
)
LIST: Description = {
    "operation_id": "batch_list",
    "tags": TAGS,
    "summary": "List your batches",
    "description": "Newest first, without their jobs.",
    "parameters": [BatchListQuery],
    "responses": {200: BatchListSerializer},
    "examples": [answer("A page", {"results": [SUMMARY], "next": None, "previous": None})],
}
RETRIEVE: Description = {
    "operation_id": "batch_retrieve",
    "tags": TAGS,
    "summary": "Show a batch",
    "description": "With all its jobs; `GET /download?batch_id=` has the whole of them, page by page.",
    "parameters": [IF_NONE_MATCH, ETAG],
    "responses": {200: BatchSerializer, 304: OpenApiResponse(description="The batch is as the client knows it.")},
    "examples": [answer("Running", RUNNING)],
}
DESTROY: Description = {
    "operation_id": "batch_destroy",
    "tags": TAGS,
    "summary": "Cancel a batch",
    "description": "Cancels all that has not finished, at once. What has finished stays.",
    "responses": {200: BatchCancellationSerializer},
    "examples": [
        answer(
            "Cancelled",
            {"batch_id": BATCH_ID, "status": "cancelled", "cancelled": 1, "message": "Cancelled downloads: 1."},
        )
    ],
}
ARCHIVE: Description = {
    "operation_id": "batch_archive",
    "tags": TAGS,
    "summary": "Fetch all files of a batch as one zip",
    "description": "Of the files that are there now, stored and not compressed, under the names that `path_template` "
    "gives; a text in it names what is missing and why. Range, If-Range and the other conditions of RFC 9110 work, so "
    "a broken transfer can be resumed for as long as the files are the same. 409 before the first file is there, 410 "
    "when all have been deleted.",
    "parameters": [
        OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="For example `bytes=0-1023`."),
        header("ETag", "Made of the names and contents.", status_codes=["200", "206", "304"]),
        header("Content-Range", "Which part this is.", status_codes=["206", "416"]),
    ],
    "responses": {
        (200, "application/zip"): OpenApiTypes.BINARY,
        (206, "application/zip"): OpenApiTypes.BINARY,
        304: OpenApiResponse(description="The archive is as the client knows it."),
    },
    "examples": [
        OpenApiExample("The first bytes", value="bytes=0-1023", parameter_only=("Range", OpenApiParameter.HEADER))
    ],
}
RETRY: Description = {
    "operation_id": "batch_retry",
    "tags": TAGS,
    "summary": "Retry what failed of a batch",
    "description": "Puts its failed jobs back in the queue, with those that `stop_on_error` had cancelled; a list that "
    "could not be read is read once more. Each counts like another submission for the queue and the jobs of the day; "
    "without room for all of them none is retried. 409 when there is nothing to retry.",
    "request": NothingSerializer,
    "responses": {200: BatchSerializer},
    "examples": [answer("Running again", RUNNING)],
}
