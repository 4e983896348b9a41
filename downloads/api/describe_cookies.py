"""How the operations on stored cookies are described in the OpenAPI document, with an example of each."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from downloads.api.cookie_shapes import (
    CookieListQuery,
    CookieListSerializer,
    CookiesFileSerializer,
    CookiesSerializer,
    CookiesTestRequestSerializer,
    CookiesTestSerializer,
    CookiesTextSerializer,
)
from downloads.api.describe import Description, answer, asked, header
from downloads.api.describe_probes import UNDER_WAY
from downloads.api.findings_shapes import PageProbeSerializer
from downloads.api.problem import CONTENT_TYPE
from downloads.api.responses import ProblemSerializer

TAGS = ["cookies"]
PROBLEM = {(400, CONTENT_TYPE): ProblemSerializer}
COOKIE_ID = "0199c4d6-7a21-7f3a-9c11-0d5e8b2f4a66"
TEXT = "# Netscape HTTP Cookie File\n.videos.example.com\tTRUE\t/\tTRUE\t1798761600\tsession\tthe-value\n"
STORED: dict[str, Any] = {
    "cookie_id": COOKIE_ID,
    "name": "videos.example.com",
    "domains": ["videos.example.com"],
    "cookie_count": 1,
    "created_at": "2026-11-24T12:00:00Z",
    "expires_at": "2027-01-01T00:00:00Z",
    "is_expired": False,
    "last_used_at": None,
    "last_success_at": None,
}

LIST: Description = {
    "operation_id": "cookies_list",
    "tags": TAGS,
    "summary": "List your cookies",
    "description": "Newest first. The cookies themselves are never shown.",
    "parameters": [CookieListQuery],
    "responses": {200: CookieListSerializer, **PROBLEM},
    "examples": [answer("One", {"results": [STORED], "next": None, "previous": None})],
}
CREATE: Description = {
    "operation_id": "cookies_create",
    "tags": TAGS,
    "summary": "Store cookies",
    "description": "In Netscape format, as text or as a file. They are kept encrypted, sent only to their own domains, "
    "and never shown again. What cannot be read is refused with the numbers of its lines. `browser` is refused with "
    "`not_supported`, and the way to export them.",
    "parameters": [header("Location", "The path of the stored cookies.", status_codes=["201"])],
    "request": {"application/json": CookiesTextSerializer, "multipart/form-data": CookiesFileSerializer},
    "responses": {201: CookiesSerializer, **PROBLEM},
    "examples": [asked("As text", {"cookies": TEXT}), answer("Stored", STORED, 201)],
}
RETRIEVE: Description = {
    "operation_id": "cookies_retrieve",
    "tags": TAGS,
    "summary": "Show stored cookies",
    "description": "Whose they are, until when, and when they last were of use. The cookies themselves are never "
    "shown.",
    "responses": {200: CookiesSerializer, **PROBLEM},
    "examples": [answer("Stored", STORED)],
}
DESTROY: Description = {
    "operation_id": "cookies_delete",
    "tags": TAGS,
    "summary": "Delete cookies",
    "description": "At once and for good, with what was seen of pages by them. Jobs that were to use them fail with "
    "`cookies_gone` when they start; an attempt that has begun goes on with them.",
    "parameters": [
        OpenApiParameter(
            "cookie_id", OpenApiTypes.UUID, OpenApiParameter.PATH, examples=[OpenApiExample("Stored", value=COOKIE_ID)]
        )
    ],
    "responses": {204: OpenApiResponse(description="They are deleted."), **PROBLEM},
}
TEST: Description = {
    "operation_id": "cookies_test",
    "tags": TAGS,
    "summary": "Try cookies",
    "description": "Has a page looked at with them, anew. What takes longer than `PROBE_WAIT_SECONDS` is answered with "
    "202: follow `Location`, or ask the same again. A failure has the code of a failed job: `login_required` says that "
    "the site did not accept them.",
    "parameters": [
        header("Location", "Of the probe.", status_codes=["202"]),
        header("Retry-After", "Seconds.", int, status_codes=["202"]),
    ],
    "request": {"application/json": CookiesTestRequestSerializer},
    "responses": {200: CookiesTestSerializer, 202: PageProbeSerializer, **PROBLEM},
    "examples": [
        asked("A page behind a login", {"url": "https://videos.example.com/watch/42"}),
        answer(
            "Accepted",
            {
                "cookie_id": COOKIE_ID,
                "url": "https://videos.example.com/watch/42",
                "is_sent": True,
                "title": "A lecture on queues",
                "duration": 3600.0,
                "extractor": "generic",
                "formats_available": 12,
            },
        ),
        answer("Under way", UNDER_WAY, 202),
    ],
}
