"""What is told: the body that reports an event. Which events may be asked for is in downloads.api.requests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from downloads.api import examples
from downloads.api.batch_representation import represent_all
from downloads.api.representation import represent, written
from downloads.models import Batch, Job, MediaFile

COMPLETED = "download.completed"
PROGRESS = "download.progress"
EXPIRING = "download.expiring"
BATCH_COMPLETED = "batch.completed"
TEST = "webhook.test"

# By the kind of a JobEvent; what is not here is the job's own business.
BY_KIND = {kind: f"download.{kind}" for kind in ("queued", "started", "completed", "failed", "cancelled", "progress")}


def of_job(event: str, job: Job, files: Iterable[MediaFile]) -> str:
    return written_body(event, str(job.pk), represent(job, files=list(files)))


def of_batch(batch: Batch) -> str:
    """Without its jobs, of which there may be thousands: `request_id` leads to them."""
    [summary] = represent_all([batch])
    return written_body(BATCH_COMPLETED, str(batch.pk), summary)


def of_test() -> str:
    """Says what a completed download would, of a job that never was."""
    return written_body(TEST, examples.JOB_ID, examples.COMPLETED)


def written_body(event: str, request_id: str, data: dict[str, Any]) -> str:
    """The shape that event streams have, too."""
    body = {"event": event, "timestamp": written(timezone.now()), "request_id": request_id, "data": data}
    return json.dumps(body, separators=(",", ":"))
