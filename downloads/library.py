"""An owner's library: which jobs a list shows, and in which order. The API's list and the pages' read it here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import JSONField, Lookup

from accounts.models import User
from downloads.models import Job, MediaFile
from downloads.models.jobs import JobQuerySet


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """By `field`, then by id, so that no two rows are equal. `field` is never null."""

    name: str
    field: str

    @property
    def is_descending(self) -> bool:
        return self.name.startswith("-")


# Ids are made in the order of time.
_FIELDS = {"created_at": "pk", "updated_at": "updated_at", "title": "title"}
ORDERINGS = {name: Ordering(name=name, field=field) for key, field in _FIELDS.items() for name in (f"-{key}", key)}
DEFAULT_ORDERING = "-created_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is None asks for nothing."""

    statuses: list[str] | None = None
    text: str | None = None
    tag: str | None = None
    batch_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def select(owner: User, wanted: Filter) -> JobQuerySet:
    jobs = Job.objects.owned_by(owner)
    if wanted.statuses is not None:
        jobs = jobs.filter(status__in=wanted.statuses)
    if wanted.text is not None:
        jobs = jobs.matching(wanted.text)
    if wanted.tag is not None:
        jobs = jobs.filter(tags__has_member=wanted.tag)
    if wanted.batch_id is not None:
        jobs = jobs.filter(batch=wanted.batch_id)
    if wanted.created_after is not None:
        jobs = jobs.filter(created_at__gt=wanted.created_after)
    if wanted.created_before is not None:
        jobs = jobs.filter(created_at__lt=wanted.created_before)
    return jobs


def files_of(jobs: list[Job]) -> dict[Any, list[MediaFile]]:
    """By job id, main file first; one query however many jobs."""
    files: dict[Any, list[MediaFile]] = {job.pk: [] for job in jobs}
    for file in MediaFile.objects.filter(job__in=jobs):
        files[file.job_id].append(file)
    return files


@JSONField.register_lookup
class HasMember(Lookup):
    """Whether a JSON list of strings has the string as a member; `contains` is not offered on SQLite."""

    lookup_name = "has_member"
    prepare_rhs = False

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE json_each.value = %s)", [*parameters, self.rhs]  # noqa: S608

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} @> %s::jsonb", [*parameters, json.dumps([self.rhs])]
