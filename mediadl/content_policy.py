"""The pages' Content-Security-Policy: nothing but our own, and the bucket that our files may be in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF


def content_policy(bucket: str, endpoint: str, region: str) -> dict[str, Any]:
    media = [SELF, *bucket_origins(bucket, endpoint, region)]
    return {
        "DIRECTIVES": {
            "default-src": [NONE],
            "script-src": [SELF],
            "style-src": [SELF],
            "img-src": [*media, "data:"],
            "media-src": media,
            "font-src": [SELF],
            "connect-src": [SELF],
            "manifest-src": [SELF],
            "worker-src": [SELF],
            "form-action": [SELF],
            "base-uri": [NONE],
            "frame-ancestors": [NONE],
        },
    }


def bucket_origins(bucket: str, endpoint: str, region: str) -> list[str]:
    """Where a file's address redirects a player to: the store by its name, or the bucket as a name below it."""
    if not bucket:
        return []
    if not endpoint:
        stores = ("s3.amazonaws.com", f"s3.{region}.amazonaws.com")
        return [f"https://{name}" for store in stores for name in (store, f"{bucket}.{store}")]
    place = urlsplit(endpoint)
    return [f"{place.scheme}://{place.netloc}", f"{place.scheme}://{bucket}.{place.netloc}"]
