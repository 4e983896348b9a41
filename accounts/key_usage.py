"""What keys were used for, day by day: the charts on their page."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext

from accounts.models import DayUsage
from accounts.models.usage import today
from downloads.console.charts import Chart, Series, stacked
from downloads.web.tags import size

DAYS = 30


def charts_of(keys: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Chart]]:
    """By key; nothing of those that were not used in so many days. One query, however many keys."""
    used = DayUsage.objects.of_days(keys, DAYS)
    days = [today() - timedelta(days=back) for back in reversed(range(DAYS))]
    return {key: _charts(key, days, used) for key in {subject for subject, _ in used}}


def _charts(key: uuid.UUID, days: list[date], used: dict[tuple[uuid.UUID, date], DayUsage]) -> list[Chart]:
    rows = [used.get((key, day)) or DayUsage(subject=key, day=day) for day in days]
    labels = [date_format(day, "j M") for day in days]
    jobs = Series(name=gettext("submitted"), tone="good", values=[row.jobs for row in rows])
    arrived = Series(name=gettext("downloaded"), tone="good", values=[row.bytes for row in rows])
    return [stacked(gettext("Jobs a day"), labels, [jobs]), stacked(gettext("Bytes a day"), labels, [arrived], size)]
