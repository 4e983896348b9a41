"""From a valid request to a queued job: policy, quotas, and what the job remembers of the request.

The API and the pages both submit here; the data are the serializer's validated ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Value
from django.db.models.functions import Greatest, Now
from django.utils.translation import gettext

from accounts.models import ApiKey, User
from accounts.principal import Principal
from downloads import addresses, cookies, crash_points, quotas, reuse, storage
from downloads.api.problem import Problem, refused
from downloads.api.requests import PRIORITIES
from downloads.engine.errors import ERRORS, ErrorCode
from downloads.models import Job

# The rest of a request are columns of the job.
COLUMNS = frozenset({"url", "priority", "start_after", "tags", "client_reference"})


def submit(principal: Principal, data: Mapping[str, Any]) -> Job:
    """Raises Problem."""
    address = addresses.parse(data["url"])
    check_policy(address)
    cookies.usable(principal.user, data["cookies_id"])
    with transaction.atomic():
        check_quota(principal.user, key=principal.key)
        job = Job.submit(
            owner=principal.user, api_key=principal.key, host=address.host, **_fields(principal.user, data)
        )
        crash_points.reach("submit.before_commit")
    crash_points.reach("submit.after_commit")
    return job


def retry(principal: Principal, job: Job) -> None:
    """Counts like another submission, since all is fetched anew. Raises Problem or TransitionError."""
    with transaction.atomic():
        check_quota(principal.user, key=principal.key)
        job.retry()


def resume(principal: Principal, job: Job) -> None:
    """Was counted when it was submitted, and needs a place in the queue. Raises Problem or TransitionError."""
    with transaction.atomic():
        quotas.wait_for_turn(principal.user)
        job.resume()


def check_policy(address: addresses.Address) -> None:
    """What holds for everybody. Raises Problem."""
    if not addresses.is_allowed(address.host, settings.ALLOWED_DOMAINS, settings.BLOCKED_DOMAINS):
        raise refused("url", "domain_not_allowed", f"{gettext(ERRORS[ErrorCode.DOMAIN_NOT_ALLOWED].title)}.")
    if not storage.has_room():
        raise Problem(507, "storage_full", gettext(ERRORS[ErrorCode.STORAGE_FULL].remedy))


def check_quota(owner: User, wanted: int = 1, key: ApiKey | None = None) -> None:
    """Counts the jobs, in the transaction that adds them. Strict under parallel requests. Raises Problem."""
    quotas.take(owner, wanted, key)


def _fields(owner: User, data: Mapping[str, Any]) -> dict[str, Any]:
    options = options_of(data)
    fields = {
        "url": data["url"],
        "options": options,
        "fingerprint": reuse.fingerprint(owner.pk, data["url"], options),
        "priority": PRIORITIES[data["priority"]],
        "tags": data["tags"],
        "client_reference": data["client_reference"],
        "retention": timedelta(hours=options["retention_hours"]),
    }
    if data["start_after"]:
        fields["eligible_at"] = not_before(data["start_after"])
    return fields


def not_before(moment: datetime) -> Greatest:
    """By the database's clock, as everything that is compared with it later."""
    return Greatest(Value(moment, DateTimeField()), Now())


def options_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the job remembers of a request: all it chose, and the server's defaults as they are now."""
    options = {name: value for name, value in data.items() if name not in COLUMNS}
    limit = settings.MAX_FILE_SIZE_BYTES
    return options | {
        "cookies_id": str(data["cookies_id"]) if data["cookies_id"] else None,
        "timeout_sec": data["timeout_sec"] or settings.DEFAULT_TIMEOUT_SEC,
        "max_size_bytes": min(data["max_size_bytes"] or limit, limit),
        "retention_hours": data["retention_hours"] or settings.FILE_RETENTION_HOURS,
    }
