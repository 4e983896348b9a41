"""How the operations on keys are described in the OpenAPI document, with an example of each."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from accounts.api.requests import KeyChangeSerializer, KeyListQuery, KeyRotationSerializer, NewKeySerializer
from accounts.api.responses import IssuedKeySerializer, KeyListSerializer, KeySerializer, MeSerializer
from downloads.api.describe import Description, answer, asked, header
from downloads.api.problem import CONTENT_TYPE
from downloads.api.responses import ProblemSerializer

KEYS = ["keys"]
PROBLEM = {(400, CONTENT_TYPE): ProblemSerializer}

KEY: dict[str, Any] = {
    "key_id": "0199c4d4-51b8-7c6f-8d0e-2f6a4b1c9d77",
    "name": "backup script",
    "prefix": "4kQz81Ba",
    "scopes": ["read", "write"],
    "state": "active",
    "is_from_environment": False,
    "created_at": "2026-11-24T12:00:00Z",
    "expires_at": "2027-11-24T12:00:00Z",
    "rotated_at": None,
    "revoked_at": None,
    "last_used_at": "2026-11-24T12:30:00Z",
    "max_concurrent_jobs": 2,
    "max_jobs_per_day": None,
    "rate_limit_per_minute": None,
}
PLAIN = "mdl_4kQz81Ba_" + "x" * 49
ISSUED = KEY | {"last_used_at": None, "key": PLAIN}
LOCATION = header("Location", "The path of the new key.", status_codes=["201"])

LIST: Description = {
    "operation_id": "key_list",
    "tags": KEYS,
    "summary": "List your keys",
    "description": "Newest first, with those that are revoked or expired. The keys themselves are not in it.",
    "parameters": [KeyListQuery],
    "responses": {200: KeyListSerializer, **PROBLEM},
    "examples": [answer("One key", {"results": [KEY], "next": None, "previous": None})],
}
CREATE: Description = {
    "operation_id": "key_create",
    "tags": KEYS,
    "summary": "Make a key",
    "description": "The answer is the only one that shows the key. A key can be given no scope that whoever makes it "
    "does not have, and making one needs a person's session or a key with the scope `admin`.",
    "parameters": [LOCATION],
    "request": NewKeySerializer,
    "responses": {201: IssuedKeySerializer, **PROBLEM},
    "examples": [
        asked("For reading and writing", {"name": "backup script", "scopes": ["read", "write"]}),
        asked("With limits of its own", {"name": "phone", "max_concurrent_jobs": 2, "max_jobs_per_day": 100}),
        answer("Made", ISSUED, 201),
    ],
}
RETRIEVE: Description = {
    "operation_id": "key_retrieve",
    "tags": KEYS,
    "summary": "Show a key",
    "description": "Without the key itself, which is shown only when it is made.",
    "responses": {200: KeySerializer, **PROBLEM},
    "examples": [answer("A key", KEY)],
}
CHANGE: Description = {
    "operation_id": "key_change",
    "tags": KEYS,
    "summary": "Change a key",
    "description": "Its name and its limits; what is not given stays. A key that is revoked cannot be changed.",
    "request": KeyChangeSerializer,
    "responses": {200: KeySerializer, **PROBLEM},
    "examples": [asked("Another name", {"name": "laptop"}), answer("Renamed", KEY | {"name": "laptop"})],
}
REVOKE: Description = {
    "operation_id": "key_revoke",
    "tags": KEYS,
    "summary": "Revoke a key",
    "description": "At once and for good. Revoking it again changes nothing and is answered in the same way.",
    "responses": {204: OpenApiResponse(description="The key is refused from now on."), **PROBLEM},
}
ROTATE: Description = {
    "operation_id": "key_rotate",
    "tags": KEYS,
    "summary": "Rotate a key",
    "description": "Makes a new key of the same name, scopes, limits and lifetime. The old one goes on for "
    "`overlap_hours`, and cannot be rotated again.",
    "parameters": [LOCATION],
    "request": KeyRotationSerializer,
    "responses": {201: IssuedKeySerializer, **PROBLEM},
    "examples": [asked("With a day to change over", {"overlap_hours": 24}), answer("Made", ISSUED, 201)],
}
ME: Description = {
    "operation_id": "me",
    "tags": KEYS,
    "summary": "Show who you are",
    "description": "Whom the request acts for, with which scopes, limits and rates, and what is used of them.",
    "responses": {200: MeSerializer, **PROBLEM},
    "examples": [
        answer(
            "By a key",
            {
                "user_id": "0199c4d0-9d3c-7a10-b6f1-5f0e6c2a8b33",
                "username": "ada",
                "display_name": "Ada",
                "is_operator": False,
                "scopes": ["read", "write"],
                "key": KEY,
                "max_concurrent_jobs": None,
                "max_stored_bytes": None,
                "usage": {
                    "running_jobs": 1,
                    "queued_jobs": 3,
                    "jobs_today": 12,
                    "bytes_today": 1468006400,
                    "stored_bytes": 734003200,
                },
                "limits": {
                    "concurrent_jobs": None,
                    "queued_jobs": 10000,
                    "jobs_per_day": 100,
                    "bytes_per_day": None,
                    "stored_bytes": 5368709120,
                },
                "day_resets_at": "2026-11-25T00:00:00Z",
                "submissions": {"per_minute": 60, "per_hour": 1000},
                "reads": {"per_minute": 600, "per_hour": 10000},
            },
        )
    ],
}
