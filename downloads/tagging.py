"""Tags that are given or taken after a download was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from downloads.models import Job
from downloads.models.jobs import JobQuerySet

MAX_TAGS = 10
MAX_LENGTH = 50
# The tags in use are those of so many of the newest: of all, reading them would take ever longer.
LOOKED_AT = 1000


def named(text: str) -> list[str]:
    """The tags in a text, separated by commas. Raises ValidationError."""
    tags = [tag for part in text.split(",") if (tag := " ".join(part.split()))]
    if not tags:
        raise ValidationError(_("Write a tag first."))
    if any(len(tag) > MAX_LENGTH or not tag.isprintable() for tag in tags):
        raise ValidationError(_("A tag has at most 50 characters."))
    return list(dict.fromkeys(tags))


def add(jobs: Iterable[Job], tags: list[str]) -> int:
    """How many have all of them now; one that has ten already takes no more."""
    return _change(jobs, lambda had: [*had, *(tag for tag in tags if tag not in had)])


def remove(jobs: Iterable[Job], tags: list[str]) -> int:
    return _change(jobs, lambda had: [tag for tag in had if tag not in tags])


def _change(jobs: Iterable[Job], change: Callable[[list[str]], list[str]]) -> int:
    wanted = [(job, change(job.tags)) for job in jobs]
    return sum(Job.objects.retag(job, tags) for job, tags in wanted if len(tags) <= MAX_TAGS)


def in_use(jobs: JobQuerySet) -> list[tuple[str, int]]:
    """Those of the newest jobs with how many have them, the most used first."""
    lists = jobs.order_by("-id").values_list("tags", flat=True)[:LOOKED_AT]
    return Counter(tag for tags in lists for tag in tags).most_common()
