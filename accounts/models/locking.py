"""Rows that others refer to: whoever adds such a reference locks the row first, and so does whoever deletes it."""

from __future__ import annotations

import uuid
from typing import TypeVar

from django.db import models, transaction

M = TypeVar("M", bound=models.Model)


class LockingQuerySet(models.QuerySet[M]):
    def lock(self, row_id: uuid.UUID) -> bool:
        """Whether it is there, and then nobody deletes it before the transaction ends.

        Other locks come after it: whoever adds a row that belongs to it begins with this one.
        """
        return bool(self.filter(pk=row_id).order_by().select_for_update().values_list("pk", flat=True))


class RemovingQuerySet(LockingQuerySet[M]):
    def remove(self) -> None:
        """Deletes them with what belongs to them, to which nobody adds meanwhile."""
        with transaction.atomic():
            locked = list(self.order_by("pk").select_for_update().values_list("pk", flat=True))
            type(self)(self.model, using=self.db).filter(pk__in=locked).delete()
