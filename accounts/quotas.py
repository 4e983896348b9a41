"""How much an owner may have: the server's own limits, and those that the admin set for a user in their place."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from accounts.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None is no limit."""

    concurrent_jobs: int | None
    queued_jobs: int | None
    jobs_per_day: int | None
    bytes_per_day: int | None
    stored_bytes: int | None


def limits_of(user: User) -> Limits:
    return Limits(
        concurrent_jobs=chosen(user.max_concurrent_jobs, settings.MAX_JOBS_PER_OWNER),
        queued_jobs=chosen(user.max_queued_jobs, settings.MAX_QUEUED_PER_OWNER),
        jobs_per_day=chosen(user.max_jobs_per_day, settings.MAX_JOBS_PER_DAY),
        bytes_per_day=chosen(user.max_bytes_per_day, settings.MAX_BYTES_PER_DAY),
        stored_bytes=chosen(user.max_stored_bytes, settings.MAX_STORED_BYTES_PER_OWNER),
    )


def chosen(own: int | None, of_the_server: int) -> int | None:
    """None of one's own is the server's; 0 is no limit."""
    return (of_the_server if own is None else own) or None
