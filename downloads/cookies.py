"""Stored cookies on their way: in from a request, and out to one attempt, as a file that lives no longer than it.

The file lies apart from the work of jobs, where nothing is ever published from, is named by the attempt's lease, and
can be read by this user alone. Whatever a killed worker leaves of it goes with the next recovery or sweep.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import structlog
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from downloads import netscape, storage, vault
from downloads.api.problem import FieldError, Problem, refused
from downloads.engine.errors import ERRORS, ErrorCode, JobError
from downloads.engine.marking import gettext_noop
from downloads.models import CookieJar, Job, Probe

log = structlog.get_logger(__name__)

MAX_JARS_PER_OWNER = 100
_SUFFIX = ".txt"


# --- In ---------------------------------------------------------------------------------------------------------


def store(owner: User, text: str, name: str = "", expires_at: datetime | None = None) -> CookieJar:
    """Raises NetscapeError and Problem."""
    cookies = netscape.parse(text)
    if CookieJar.objects.owned_by(owner).count() >= MAX_JARS_PER_OWNER:
        said = gettext("You can store cookies {count} times. Delete some first.")
        raise Problem(429, "quota_exceeded", said.format(count=MAX_JARS_PER_OWNER))
    latest = netscape.last_expiry(cookies)
    if latest is not None and latest <= timezone.now().timestamp():
        complaint = netscape.Complaint(line=None, message=gettext("All of these cookies have expired."))
        raise netscape.NetscapeError([complaint])
    return CookieJar.objects.store(owner, cookies, name, expires_at)


def complaints(error: netscape.NetscapeError) -> Problem:
    """Of the field `cookies`, also where they came as a file."""
    listed = [FieldError(field="cookies", code="not_netscape", message=str(item)) for item in error.complaints]
    return Problem(400, "validation_failed", f"cookies: {listed[0].message}", errors=listed)


def usable(owner: User, cookies_id: uuid.UUID | str | None) -> CookieJar | None:
    """None for none. Raises Problem for those that are another's, gone or expired, and says not which."""
    if cookies_id is None:
        return None
    jar = CookieJar.objects.owned_by(owner).usable().filter(pk=cookies_id).first()
    if jar is None:
        raise gone()
    return jar


def gone() -> Problem:
    return refused("cookies_id", "cookies_gone", f"{gettext(ERRORS[ErrorCode.COOKIES_GONE].title)}.")


# --- Out --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def lent(jar: CookieJar, lease: uuid.UUID) -> Iterator[str]:
    """The path of the cookies as a file, for as long as the attempt with that lease lasts. Raises JobError, OSError."""
    try:
        text = jar.text()
    except vault.UndecryptableError:
        log.error("cookies_undecryptable", cookies_id=str(jar.pk))  # noqa: TRY400 - the traceback says nothing more
        raise JobError(ErrorCode.COOKIES_GONE, gettext_noop("The server has lost the key of these cookies")) from None
    jar.mark_used()
    path = _path(lease)
    try:
        _write(path, text)
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


def wanted_by(job: Job) -> CookieJar | None:
    """None when it was asked for none. Raises JobError when they are gone."""
    chosen = job.options.get("cookies_id")
    if not chosen:
        return None
    jar = CookieJar.objects.filter(owner=job.owner_id).usable().filter(pk=chosen).first()
    if jar is None:
        raise JobError(ErrorCode.COOKIES_GONE)
    return jar


def remove_strays() -> None:
    """What dead attempts have left on this node. The files are listed first: a lease is taken before its file."""
    left = {path.stem: path for path in _folder().glob(f"*{_SUFFIX}")}
    if not left:
        return
    held = {str(lease) for rows in (Job, Probe) for lease in rows.objects.running().values_list("lease", flat=True)}
    for name in left.keys() - held:
        left[name].unlink(missing_ok=True)


def _folder() -> Path:
    return Path(settings.RUN_ROOT) / "cookies"


def _path(lease: uuid.UUID) -> Path:
    return _folder() / f"{lease}{_SUFFIX}"


def _write(path: Path, text: str) -> None:
    storage.check_there()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
