"""The system: versions, what is wrong and what to do about it, the settings, and what has failed lately."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import django
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from downloads import diagnosis, ytdlp_versions
from downloads.console.pages import for_staff, render
from downloads.console.settings_shown import shown
from downloads.engine.errors import ERRORS, ErrorCode
from downloads.health import HEALTH, started_at
from downloads.models import Job, Node

LOOKS_BACK = timedelta(days=7)
COUNTED = 2000
UNKNOWN = "unknown"


@require_GET
@for_staff("downloads.view_node")
def system(request: HttpRequest) -> HttpResponse:
    found = diagnosis.findings()
    failures = [Failure(*row) for row in Job.objects.failures(timezone.now() - LOOKS_BACK)[:COUNTED]]
    return render(
        request,
        "system",
        "System",
        report=HEALTH.report(),
        started_at=started_at(),
        versions=_versions(found),
        findings=found,
        node_name=settings.NODE_NAME,
        nodes=[(node, _troubles(node)) for node in Node.objects.alive().order_by("name")],
        by_code=counted(failures, "code"),
        by_extractor=counted(failures, "extractor"),
        failure_count=len(failures),
        is_cut_off=len(failures) == COUNTED,
        looks_back=LOOKS_BACK,
        settings_shown=list(shown()) if request.user.is_superuser else None,
    )


def _versions(found: list[diagnosis.Finding]) -> list[tuple[str, str]]:
    said = {finding.name: finding.message for finding in found}
    return [
        ("mediadl", diagnosis.version()),
        ("yt-dlp", ytdlp_versions.in_use()),
        ("ffmpeg", said["ffmpeg"]),
        ("JavaScript", said["javascript"]),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        ("Database", database_version()),
        ("System", platform.platform()),
    ]


def database_version() -> str:
    numbers = connection.get_database_version()
    return f"{connection.display_name} {'.'.join(map(str, numbers))}"


def _troubles(node: Node) -> list[dict[str, Any]]:
    return [{"name": name} | part for name, part in node.components.items() if part["status"] != "ok"]


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
        name = failure.code if by == "code" else failure.extractor or failure.host or UNKNOWN
        title = ERRORS[ErrorCode(failure.code)].title if by == "code" else ""
        groups.setdefault(name, Group(name=name, title=title, last=failure)).count += 1
    return sorted(groups.values(), key=lambda group: -group.count)
