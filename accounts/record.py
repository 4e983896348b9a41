"""What operators do, in the admin's own log: one entry a row, read in the admin and never changed."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model

from accounts.models import User


def note(operator: User, rows: Iterable[Model], words: str, flag: int = CHANGE) -> None:
    LogEntry.objects.log_actions(operator.pk, rows, flag, change_message=words)
