"""What owners use of their limits, and what is refused for it: when a job is submitted, while it runs, and at its end.

A job that its owner retries counts as one more: it fetches anew. What is tried again by itself, or resumed, does not.

The checks that must be exact are made in the transaction that uses the quota up, behind `one_at_a_time`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, Count, Min, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import ApiKey, DayUsage, User
from accounts.models.usage import NO_LIMIT, day_ends_at, today
from accounts.quotas import Limits, limits_of
from downloads.api.problem import Problem
from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.marking import gettext_noop
from downloads.models import Job, MediaFile, Status

QUEUE_RETRY_SECONDS = 60
# Any constant will do, as long as nothing else uses it for two-part locks.
OWNER_LOCK = 0x6D64_6C32


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    running_jobs: int
    queued_jobs: int
    jobs_today: int
    bytes_today: int
    stored_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`retry_seconds` is when time will have mended it; None when it may never."""

    limit: str
    message: str
    retry_seconds: int | None = None

    def problem(self) -> Problem:
        headers = {"Retry-After": str(self.retry_seconds)} if self.retry_seconds else {}
        return Problem(429, "quota_exceeded", self.message, headers=headers)


def usage_of(owner: User) -> Usage:
    jobs, day = Job.objects.owned_by(owner), DayUsage.objects.of_today(owner.pk)
    counts = jobs.unfinished().count_by_status()
    return Usage(
        running_jobs=counts[Status.RUNNING],
        queued_jobs=counts[Status.QUEUED],
        jobs_today=day.jobs,
        bytes_today=day.bytes,
        stored_bytes=jobs.stored_bytes(),
    )


def with_usage(users: QuerySet[User], *, with_stored: bool = True) -> QuerySet[User]:
    """With the fields of Usage annotated; `stored_bytes` looks at all the files of a user."""
    jobs = Job.objects.filter(owner=OuterRef("pk")).order_by().values("owner")
    counted = jobs.annotate(count=Count("pk")).values("count")
    files = MediaFile.objects.stored().filter(job__owner=OuterRef("pk")).order_by().values("job__owner")
    day = DayUsage.objects.filter(subject=OuterRef("pk"), day=today())
    counted_users = users.annotate(
        running_jobs=_or_zero(counted.filter(status=Status.RUNNING)),
        queued_jobs=_or_zero(counted.filter(status=Status.QUEUED)),
        jobs_today=_or_zero(day.values("jobs")),
        bytes_today=_or_zero(day.values("bytes")),
    )
    if not with_stored:
        return counted_users
    return counted_users.annotate(stored_bytes=_or_zero(files.annotate(total=Sum("size_bytes")).values("total")))


def _or_zero(rows: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(rows, output_field=BigIntegerField()), 0)


# --- At submission ----------------------------------------------------------------------------------------------


def take(owner: User, wanted: int = 1, key: ApiKey | None = None) -> None:
    """Counts the jobs that the caller's transaction adds. Strict under parallel requests. Raises Problem."""
    limits = limits_of(owner)
    _wait_for_turn(owner, limits, wanted)
    if refusal := _stored_refusal(owner, limits):
        raise refusal.problem()
    day = DayUsage.objects
    most = {"most_jobs": limits.jobs_per_day, "most_bytes": limits.bytes_per_day}
    unlimited = key.pk if key and not key.max_jobs_per_day else None
    if not day.take_jobs(owner.pk, wanted, **most, also=unlimited):
        raise _day_is_used_up(owner, limits).problem()
    if key and not unlimited and not day.take_jobs(key.pk, wanted, most_jobs=key.max_jobs_per_day):
        raise _key_is_used_up(key.max_jobs_per_day or 0).problem()


def wait_for_turn(owner: User) -> None:
    """In the transaction that lets one more job wait, whose day has counted it. Raises Problem."""
    _wait_for_turn(owner, limits_of(owner), 1)


def _wait_for_turn(owner: User, limits: Limits, wanted: int) -> None:
    one_at_a_time(owner)
    most = limits.queued_jobs
    if most and Job.objects.count_queued(owner) + wanted > most:
        raise _queue_is_full(most).problem()


def refusals(owner: User, key: ApiKey | None, *, added_bytes: int = 0) -> Iterator[Refusal]:
    """Why one more job of so many bytes would be refused or would fail, as things are now."""
    limits, usage = limits_of(owner), usage_of(owner)
    if limits.queued_jobs and usage.queued_jobs >= limits.queued_jobs:
        yield _queue_is_full(limits.queued_jobs)
    if limits.jobs_per_day and usage.jobs_today >= limits.jobs_per_day:
        yield _jobs_are_used_up(limits.jobs_per_day)
    if key and key.max_jobs_per_day and DayUsage.objects.of_today(key.pk).jobs >= key.max_jobs_per_day:
        yield _key_is_used_up(key.max_jobs_per_day)
    if limits.bytes_per_day and usage.bytes_today + max(1, added_bytes) > limits.bytes_per_day:
        yield _bytes_are_used_up(limits.bytes_per_day)
    if limits.stored_bytes and usage.stored_bytes + max(1, added_bytes) > limits.stored_bytes:
        yield _store_is_full(owner, limits.stored_bytes)


def room(owner: User, key: ApiKey | None) -> int:
    """How many jobs could be submitted now, whatever their bytes."""
    limits, left = limits_of(owner), [NO_LIMIT]
    if limits.queued_jobs:
        left.append(limits.queued_jobs - Job.objects.count_queued(owner))
    if limits.jobs_per_day:
        left.append(limits.jobs_per_day - DayUsage.objects.of_today(owner.pk).jobs)
    if key and key.max_jobs_per_day:
        left.append(key.max_jobs_per_day - DayUsage.objects.of_today(key.pk).jobs)
    return max(0, min(left))


def one_at_a_time(owner: User) -> None:
    """Until the transaction's end."""
    # SQLite needs nothing: its transactions begin IMMEDIATE.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [OWNER_LOCK, _half(owner)])


def _half(owner: User) -> int:
    """32 bits of the random part of the id; that two owners share them costs a short wait."""
    return int.from_bytes(owner.pk.bytes[-4:], signed=True)


# --- While it runs ----------------------------------------------------------------------------------------------


class Meter:
    """Charges an attempt's bytes to its owner's and its key's day as they arrive; knows when they are too many."""

    def __init__(self, job: Job) -> None:
        """`job` as the attempt finds it: what earlier attempts have fetched was charged to them."""
        self._owner = job.owner
        self._key_id = job.api_key_id
        self._limits = limits_of(job.owner)
        self._level = job.downloaded_bytes
        self._uncharged = 0

    def allowance(self) -> int | None:
        """The bytes that are left of the day and of the store, whichever are fewer; None without a limit."""
        left = []
        if self._limits.bytes_per_day:
            left.append(self._limits.bytes_per_day - DayUsage.objects.of_today(self._owner.pk).bytes)
        if self._limits.stored_bytes:
            left.append(self._limits.stored_bytes - Job.objects.owned_by(self._owner).stored_bytes())
        return max(0, min(left)) if left else None

    def note(self, downloaded_bytes: int) -> None:
        """The attempt's own count. It falls when a download begins anew, which is no arrival."""
        self._uncharged += max(0, downloaded_bytes - self._level)
        self._level = downloaded_bytes

    def charge(self) -> JobError | None:
        """The error of a day whose bytes are used up."""
        if not self._uncharged:
            return None
        total = DayUsage.objects.add_bytes(self._owner.pk, self._uncharged, also=self._key_id)
        self._uncharged = 0
        limit = self._limits.bytes_per_day
        return _error(_bytes_are_used_up(limit)) if limit and total > limit else None

    def exhausted(self) -> JobError:
        """Of an attempt that could not stay within its allowance."""
        limit = self._limits.bytes_per_day
        if limit and DayUsage.objects.of_today(self._owner.pk).bytes >= limit:
            return _error(_bytes_are_used_up(limit))
        return JobError(
            ErrorCode.QUOTA_EXCEEDED, gettext_noop("More bytes would have come than are left of your quota")
        )


def check_stored(owner: User, added_bytes: int) -> None:
    """In the transaction that publishes. Raises JobError when the owner would have too many bytes stored."""
    limit = limits_of(owner).stored_bytes
    if limit is None:
        return
    one_at_a_time(owner)
    if Job.objects.owned_by(owner).stored_bytes() + added_bytes > limit:
        raise _error(_store_is_full(owner, limit))


def _error(refusal: Refusal) -> JobError:
    return JobError(ErrorCode.QUOTA_EXCEEDED, refusal.message)


# --- What is said -----------------------------------------------------------------------------------------------


def _queue_is_full(limit: int) -> Refusal:
    message = gettext("You can have {limit} jobs waiting. Try again when some of them have started.").format(
        limit=limit
    )
    return Refusal(limit="queued_jobs", message=message, retry_seconds=QUEUE_RETRY_SECONDS)


def _day_is_used_up(owner: User, limits: Limits) -> Refusal:
    most = limits.bytes_per_day
    if most and DayUsage.objects.of_today(owner.pk).bytes >= most:
        return _bytes_are_used_up(most)
    return _jobs_are_used_up(limits.jobs_per_day or 0)


def _jobs_are_used_up(limit: int) -> Refusal:
    return _until_tomorrow(
        "jobs_per_day", gettext("You can submit {limit} jobs a day, and these would be more."), limit
    )


def _bytes_are_used_up(limit: int) -> Refusal:
    return _until_tomorrow(
        "bytes_per_day", gettext("You can download {limit} bytes a day, and they are used up."), limit
    )


def _key_is_used_up(limit: int) -> Refusal:
    return _until_tomorrow(
        "key_jobs_per_day", gettext("This key can submit {limit} jobs a day, and these would be more."), limit
    )


def _until_tomorrow(name: str, said: str, limit: int) -> Refusal:
    seconds = math.ceil((day_ends_at() - timezone.now()).total_seconds())
    when = gettext("A new day begins at 00:00 UTC.")
    return Refusal(limit=name, message=f"{said.format(limit=limit)} {when}", retry_seconds=max(1, seconds))


def _stored_refusal(owner: User, limits: Limits) -> Refusal | None:
    limit = limits.stored_bytes
    if limit and Job.objects.owned_by(owner).stored_bytes() >= limit:
        return _store_is_full(owner, limit)
    return None


def _store_is_full(owner: User, limit: int) -> Refusal:
    """Some of it goes by itself at the first expiry."""
    first = Job.objects.owned_by(owner).aggregate(first=Min("expires_at"))["first"]
    seconds = max(1, math.ceil((first - timezone.now()).total_seconds())) if first else None
    message = gettext("You can have files of {limit} bytes. Delete some, or wait for them to expire.").format(
        limit=limit
    )
    return Refusal(limit="stored_bytes", message=message, retry_seconds=seconds)
