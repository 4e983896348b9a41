"""What the tests put into a bucket."""

from __future__ import annotations

import uuid
from typing import Any

from downloads import storage

CONTENT = bytes(range(256)) * 40
JOB = uuid.uuid4()


def put(key: str, content: bytes = CONTENT, **options: Any) -> str:
    source = storage.prepare_work(JOB) / "media.mp4"
    source.write_bytes(content)
    storage.publish(source, key, len(content), mime_type="video/mp4", **options)
    return key


def key_of(attempt: int = 1) -> str:
    return storage.key_of(JOB, attempt, uuid.uuid4(), "mp4")
