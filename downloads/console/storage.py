"""The store: what is used by whom, what goes next, what the audits found, when it fills, and eviction by hand."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from accounts.principal import principal_of
from accounts.quotas import chosen
from accounts.record import note
from downloads import retention
from downloads import storage as store
from downloads.console import history
from downloads.console.forecast import LOOKS_BACK, Forecast, forecast
from downloads.console.pages import for_staff, render
from downloads.models import AuditRecord, Job, MediaFile, Sample
from downloads.web.tags import size

SHOWN = 20
SHOWN_OWNERS = 50
# Looks at every file that is stored, which takes seconds when there are a million.
SUMS = "console.storage.sums"
# What took long is remembered for so many times as long, and anything for a minute.
FRESH_SECONDS, FRESH_TIMES = 60, 100
UNSEEN = ("job__metadata", "job__options", "job__tags")
AGES = (
    (_("up to an hour"), timedelta(hours=1)),
    (_("up to a day"), timedelta(days=1)),
    (_("up to a week"), timedelta(days=7)),
    (_("up to 30 days"), timedelta(days=30)),
)
OLDER = _("older")
# What audits find, by the words that are stored.
SORTS = {
    "orphans": _("orphans"),
    "missing": _("missing"),
    "damaged": _("damaged"),
    "stale work": _("stale work"),
}


@require_GET
@for_staff("downloads.view_mediafile")
def storage(request: HttpRequest) -> HttpResponse:
    span = history.span_named(request.GET.get("span", ""))
    sums = Sums.remembered()
    used = sums.bytes
    room = Room.now(used)
    return render(
        request,
        "storage",
        gettext("Storage"),
        used=used,
        files=sums.files,
        sums_at=sums.taken_at,
        room=room,
        forecast=_forecast(used, room),
        looks_back=LOOKS_BACK,
        spans=history.SPANS,
        span=span,
        charts=[history.stored_chart(span, used)],
        owners=[OwnersShare.of(row, used) for row in sums.by_owner],
        ages=list(zip([*(name for name, _age in AGES), OLDER], sums.by_age, strict=True)),
        expiring=_expiring(),
        largest=MediaFile.objects.largest().select_related("job", "job__owner").defer(*UNSEEN)[:SHOWN],
        audits=AuditRecord.objects.latest_of_each_node(),
        found=[(record, _findings(record)) for record in AuditRecord.objects.with_findings()[:SHOWN]],
        form=EvictForm(),
        may_evict=request.user.has_perm("downloads.change_job"),
        # As accounts.admin: whoever may edit users could make themselves a superuser.
        may_edit_users=request.user.is_superuser,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Of all that is stored, as it was at `taken_at`."""

    taken_at: datetime
    files: int
    bytes: int
    by_owner: list[dict[str, Any]]
    by_age: list[int]

    @classmethod
    def remembered(cls) -> Sums:
        if found := cache.get(SUMS):
            return cls(**found)
        began = time.monotonic()
        taken = cls.take()
        cost = time.monotonic() - began
        cache.set(SUMS, asdict(taken), max(FRESH_SECONDS, FRESH_TIMES * cost))
        return taken

    @classmethod
    def take(cls) -> Sums:
        files, used = MediaFile.objects.stored().count_and_bytes()
        by_owner = list(MediaFile.objects.by_owner()[:SHOWN_OWNERS])
        by_age = MediaFile.objects.bytes_by_age([age for _name, age in AGES])
        return cls(taken_at=timezone.now(), files=files, bytes=used, by_owner=by_owner, by_age=by_age)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """None: no disk of this machine, where files are in a bucket, or no quota."""

    free: int | None
    total: int | None
    quota: int | None
    # What fits in before downloads are refused or the oldest files go, whichever is first.
    left: int | None

    @classmethod
    def now(cls, used: int) -> Room:
        is_local = not settings.S3_BUCKET
        free = store.free_bytes() if is_local else None
        quota = settings.STORAGE_QUOTA_BYTES or None
        limits = [free - settings.STORAGE_RESERVE_BYTES] if free is not None else []
        limits += [quota - used] if quota else []
        left = max(0, min(limits)) if limits else None
        return cls(free=free, total=store.total_bytes() if is_local else None, quota=quota, left=left)


def _forecast(used: int, room: Room) -> Forecast:
    now = timezone.now()
    return forecast(list(Sample.objects.since(now - LOOKS_BACK)[:1]), now, used, room.left)


# --- The rows of its tables -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersShare:
    """`percent`: of all that is stored. `quota`: None without one."""

    owner_id: uuid.UUID
    owner: str
    bytes: int
    files: int
    percent: float
    quota: int | None

    @classmethod
    def of(cls, row: dict[str, Any], used: int) -> OwnersShare:
        return cls(
            owner_id=row["job__owner"],
            owner=row["job__owner__username"],
            bytes=row["bytes"],
            files=row["files"],
            percent=100 * row["bytes"] / used if used else 0,
            quota=chosen(row["job__owner__max_stored_bytes"], settings.MAX_STORED_BYTES_PER_OWNER),
        )


def _findings(record: AuditRecord) -> list[tuple[Any, Any]]:
    return [(SORTS.get(sort, sort), part) for sort, part in record.findings.items()]


def _expiring() -> list[tuple[Job, int]]:
    """Jobs, with the bytes that go with them."""
    jobs = Job.objects.expiring().select_related("owner").defer("metadata", "options", "tags")
    rows = jobs.prefetch_related(Prefetch("files", MediaFile.objects.stored()))[:SHOWN]
    return [(job, sum(file.size_bytes for file in job.files.all())) for job in rows]


# --- Evict now --------------------------------------------------------------------------------------------------


class EvictForm(forms.Form):
    megabytes = forms.IntegerField(min_value=1, max_value=10**9, label=_("Megabytes to free"))
    is_sure = forms.BooleanField(label=_("These files are to be gone"))


@require_POST
@for_staff("downloads.change_job")
def evict(request: HttpRequest) -> HttpResponse:
    form = EvictForm(request.POST)
    if not form.is_valid():
        said = gettext("Say how many megabytes are to be freed, and tick that the files are to be gone.")
        messages.error(request, said)
        return redirect("console_storage")
    wanted = form.cleaned_data["megabytes"] * 10**6
    evicted = retention.evict(wanted)
    cache.delete(SUMS)
    freed = sum(file.size_bytes for job in evicted for file in job.files.all())
    note(principal_of(request).user, evicted, "Files evicted.")
    said = ngettext(
        "Evicted: the files of {count} job, {size}.", "Evicted: the files of {count} jobs, {size}.", len(evicted)
    )
    messages.success(request, said.format(count=len(evicted), size=size(freed)))
    if freed < wanted:
        is_cut = len(evicted) == retention.BATCH
        rest = gettext("Evict again for more.") if is_cut else gettext("Nothing else may go.")
        less = gettext("That is less than you asked for.")
        messages.warning(request, f"{less} {rest}")
    return redirect("console_storage")
