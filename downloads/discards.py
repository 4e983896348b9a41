"""Deletions that a person can undo for a while: what they delete is gone for everybody at once, and its bytes later.

`retention.finish_discards` ends what nobody has undone. Programs delete for good: they have asked before.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User
from downloads import quotas
from downloads.models import Job, JobEvent, MediaFile

# As exactly as every database keeps a moment.
TICK = timedelta(milliseconds=1)


def discard_file(file: MediaFile) -> datetime | None:
    """When it was, by which it is undone. None when it was deleted before."""
    with transaction.atomic():
        if not (Job.objects.lock(file.job_id) and MediaFile.objects.filter(pk=file.pk).discard()):
            return None
        _tell(file, "file_discarded")
        file.refresh_from_db()
    return file.discarded_at


def undo(owner: User, at: datetime) -> int:
    """Takes back what `owner` deleted at that moment: how many jobs and files. Raises JobError if there is no room."""
    moment = (at - TICK, at + TICK)
    with transaction.atomic():
        quotas.one_at_a_time(owner)
        jobs = Job.objects.belonging_to(owner).filter(discarded_at__range=moment).restore()
        files = [
            file
            for file in MediaFile.objects.owned_by(owner).filter(discarded_at__range=moment).select_related("job")
            if Job.objects.lock(file.job_id) and MediaFile.objects.filter(pk=file.pk).restore()
        ]
        for file in files:
            _tell(file, "file_restored")
        if jobs or files:
            # Room that was made must not be used twice.
            quotas.check_stored(owner, 0)
    return len(jobs) + len(files)


def _tell(file: MediaFile, event: str) -> None:
    Job.objects.filter(pk=file.job_id).touch()
    JobEvent.objects.append(file.job, event, filename=file.filename)
