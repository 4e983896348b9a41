"""The system: versions, what is wrong and what to do about it, the settings, and what has failed lately."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import django
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_GET, require_POST

from accounts.principal import principal_of
from accounts.record import note
from downloads import diagnosis, ytdlp_request, ytdlp_versions
from downloads.console.pages import for_staff, render
from downloads.console.settings_shown import shown
from downloads.engine.errors import kind_of
from downloads.health import HEALTH, started_at
from downloads.models import Job, Node

LOOKS_BACK = timedelta(days=7)
COUNTED = 2000
UNKNOWN = gettext_noop("unknown")
VERDICTS = {
    "healthy": gettext_noop("Healthy."),
    "degraded": gettext_noop("Degraded."),
    "unhealthy": gettext_noop("Unhealthy."),
}


@require_GET
@for_staff("downloads.view_node")
def system(request: HttpRequest) -> HttpResponse:
    found, report = diagnosis.findings(), HEALTH.report()
    failures = [Failure(*row) for row in Job.objects.failures(timezone.now() - LOOKS_BACK)[:COUNTED]]
    return render(
        request,
        "system",
        gettext("System"),
        report=report,
        verdict=gettext(VERDICTS[report.verdict]),
        started_at=started_at(),
        versions=_versions(found),
        findings=found,
        node_name=settings.NODE_NAME,
        nodes=[(node, diagnosis.troubles_of(node)) for node in Node.objects.alive().order_by("name")],
        by_code=counted(failures, "code"),
        by_extractor=counted(failures, "extractor"),
        failure_count=len(failures),
        is_cut_off=len(failures) == COUNTED,
        looks_back=LOOKS_BACK,
        may_update=request.user.is_superuser and ytdlp_request.is_possible(),
        update=ytdlp_request.last(),
        settings_shown=list(shown()) if request.user.is_superuser else None,
    )


@require_POST
@for_staff("downloads.view_node")
def update_ytdlp(request: HttpRequest) -> HttpResponse:
    """What it fetches is run by the engine: for those who may do everything."""
    operator = principal_of(request).user
    if not operator.is_superuser:
        raise PermissionDenied
    if not ytdlp_request.is_possible():
        said = gettext("No engine runs on the machine that answers: run manage.py ytdlp_update where one does.")
        messages.error(request, said)
        return redirect("console_system")
    try:
        ytdlp_request.ask()
    except ytdlp_versions.BusyError:
        messages.warning(request, gettext("An update is under way on this machine already."))
    else:
        note(operator, Node.objects.filter(pk=settings.NODE_NAME), "Asked for the newest yt-dlp.")
        said = gettext("The newest yt-dlp is fetched and tried. What comes of it is told below.")
        messages.success(request, said)
    return redirect("console_system")


def _versions(found: list[diagnosis.Finding]) -> list[tuple[str, str]]:
    said = {finding.name: finding.message for finding in found}
    return [
        ("mediadl", diagnosis.version()),
        ("yt-dlp", ytdlp_versions.in_use()),
        ("ffmpeg", said["ffmpeg"]),
        ("JavaScript", said["javascript"]),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        (gettext("Database"), database_version()),
        (gettext("System"), platform.platform()),
    ]


def database_version() -> str:
    numbers = connection.get_database_version()
    return f"{connection.display_name} {'.'.join(map(str, numbers))}"


# --- What has failed --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failure:
    """`extractor`: the host where none was found."""

    job_id: UUID
    code: str
    at: datetime
    extractor: str | None
    host: str


@dataclass(slots=True, kw_only=True)
class Group:
    """Failures that have something in common; `last` is the newest of them."""

    name: str
    title: str
    last: Failure
    count: int = 0

    @property
    def is_code(self) -> bool:
        return bool(self.title)


def counted(failures: Iterable[Failure], by: str) -> list[Group]:
    """The most frequent first. `failures` begin with the newest."""
    groups: dict[str, Group] = {}
    for failure in failures:
        name = failure.code if by == "code" else failure.extractor or failure.host or gettext(UNKNOWN)
        kind = kind_of(failure.code) if by == "code" else None
        title = gettext(kind.title) if kind else ""
        groups.setdefault(name, Group(name=name, title=title, last=failure)).count += 1
    return sorted(groups.values(), key=lambda group: -group.count)
