"""The page of what somebody has used of their limits, and the meters that other pages show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.models.usage import day_ends_at
from accounts.principal import principal_of
from accounts.quotas import limits_of
from downloads import quotas
from downloads.web.tags import size

NEARLY_FULL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """`limit` None is no limit."""

    name: str
    label: str
    used: int
    limit: int | None
    shown: Callable[[int], str]

    @property
    def text(self) -> str:
        used = self.shown(self.used)
        if self.limit is None:
            return gettext("{used}, no limit").format(used=used)
        return gettext("{used} of {limit}").format(used=used, limit=self.shown(self.limit))

    @property
    def filled(self) -> int:
        """A progress bar cannot be more than full."""
        return min(self.used, self.limit or 0)

    @property
    def is_nearly_full(self) -> bool:
        return self.limit is not None and self.used >= self.limit * NEARLY_FULL


@never_cache
@login_required
@require_GET
def usage(request: HttpRequest) -> HttpResponse:
    context = {"meters": meters_of(principal_of(request).user), "day_ends_at": day_ends_at()}
    return render(request, "accounts/usage.html", context)


def meters_of(user: User) -> list[Meter]:
    used, limits = quotas.usage_of(user), limits_of(user)
    rows: list[tuple[str, str, int, int | None, Callable[[int], str]]] = [
        ("stored", gettext("Stored files"), used.stored_bytes, limits.stored_bytes, size),
        ("bytes", gettext("Downloaded today"), used.bytes_today, limits.bytes_per_day, size),
        ("jobs", gettext("Jobs submitted today"), used.jobs_today, limits.jobs_per_day, counted),
        ("running", gettext("Running now"), used.running_jobs, limits.concurrent_jobs, counted),
        ("queued", gettext("Waiting now"), used.queued_jobs, limits.queued_jobs, counted),
    ]
    return [Meter(name=name, label=label, used=one, limit=most, shown=shown) for name, label, one, most, shown in rows]


def counted(number: int) -> str:
    return number_format(number, force_grouping=True)
