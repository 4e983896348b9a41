"""What scripts of other sites may send and read, where CORS_ORIGINS lets them ask at all."""

from __future__ import annotations

ALLOWED = (
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "if-range",
    "last-event-id",
    "range",
    "x-api-key",
)
# Those of files are how a script learns their names, and goes on with what it has.
EXPOSED = (
    "accept-ranges",
    "content-disposition",
    "content-range",
    "etag",
    "idempotency-replayed",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "x-request-id",
)
