"""How the operations on links are described in the OpenAPI document, with an example of each."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from downloads.api import examples
from downloads.api.describe import FILES, Description, answer, asked, header
from downloads.api.link_shapes import LinkListQuery, LinkListSerializer, LinkRequestSerializer, LinkSerializer
from downloads.api.problem import CONTENT_TYPE
from downloads.api.responses import ProblemSerializer

LINK: dict[str, Any] = {
    "link_id": "0199c4d5-77aa-7c04-9d1b-0e6f1a2b3c4d",
    "file_id": examples.FILE_ID,
    "url": f"{examples.BASE}/s/{'x' * 64}/A%20walk.mp4",
    "label": "for Ada",
    "state": "open",
    "max_downloads": 3,
    "download_count": 1,
    "created_at": "2026-11-24T12:00:00Z",
    "expires_at": "2026-11-25T12:00:00Z",
    "revoked_at": None,
    "last_used_at": "2026-11-24T12:30:00Z",
}
PROBLEM = {(400, CONTENT_TYPE): ProblemSerializer}

LIST: Description = {
    "operation_id": "link_list",
    "tags": FILES,
    "summary": "List a file's links",
    "description": "Newest first, with those that nobody can use any more.",
    "parameters": [LinkListQuery],
    "responses": {200: LinkListSerializer},
    "examples": [answer("One link", {"results": [LINK], "next": None, "previous": None})],
}
CREATE: Description = {
    "operation_id": "link_create",
    "tags": FILES,
    "summary": "Share a file by a link",
    "description": "Makes an address by which the file can be fetched without a key: by GET and HEAD, whole or in "
    "parts, also in a player. `?inline=1` shows it in place, where that is safe. A request for the whole is a "
    "download; one for a part belongs to the download that the same address began within the last day, or else is one "
    "itself. What is wrong with a link is said by its status: 404 for one that was never made, 410 for one that is "
    "over, revoked or used up.",
    "parameters": [header("Location", "The path of the new link.", status_codes=["201"])],
    "request": LinkRequestSerializer,
    "responses": {201: LinkSerializer, **PROBLEM},
    "examples": [
        asked("For a day and three downloads", {"expires_in_sec": 86400, "max_downloads": 3, "label": "for Ada"}),
        answer("Made", LINK | {"download_count": 0, "last_used_at": None}, 201),
    ],
}
RETRIEVE: Description = {
    "operation_id": "link_retrieve",
    "tags": FILES,
    "summary": "Show a link",
    "description": "With how often it has been used.",
    "responses": {200: LinkSerializer},
    "examples": [answer("A link", LINK)],
}
LINK_ID = OpenApiParameter(
    "link_id",
    OpenApiTypes.UUID,
    OpenApiParameter.PATH,
    examples=[OpenApiExample("A link", value=LINK["link_id"], parameter_only=("link_id", OpenApiParameter.PATH))],
)
REVOKE: Description = {
    "operation_id": "link_revoke",
    "parameters": [LINK_ID],
    "tags": FILES,
    "summary": "Revoke a link",
    "description": "At once and for good. Revoking it again changes nothing and is answered in the same way.",
    "responses": {204: OpenApiResponse(description="The link is refused from now on."), **PROBLEM},
}
