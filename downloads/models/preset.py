"""Choices of options for an owner's next downloads: under names, and those of last time. They are what the form holds,
and has let pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from accounts.models import User

MAX_NAME_LENGTH = 40
MAX_PER_OWNER = 30


class PresetQuerySet(models.QuerySet["Preset"]):
    def owned_by(self, owner: User) -> PresetQuerySet:
        return self.filter(owner=owner)


class Preset(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    # By the names of the form's fields.
    options = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = PresetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                name="preset_name_once",
                fields=["owner", "name"],
                violation_error_message="You have a preset of this name already.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class LastChoicesQuerySet(models.QuerySet["LastChoices"]):
    def owned_by(self, owner: User) -> LastChoicesQuerySet:
        return self.filter(owner=owner)

    def of(self, owner: User) -> dict[str, Any]:
        """Empty before the first time."""
        found: dict[str, Any] | None = self.owned_by(owner).values_list("options", flat=True).first()
        return found or {}

    def keep(self, owner: User, options: dict[str, Any]) -> None:
        row = self.model(owner=owner, options=options)
        self.bulk_create([row], update_conflicts=True, unique_fields=["owner"], update_fields=["options"])


class LastChoices(models.Model):
    """What the form held when its owner last sent it, in whichever browser."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    options = models.JSONField(default=dict)

    objects = LastChoicesQuerySet.as_manager()

    def __str__(self) -> str:
        return f"last choices of {self.owner_id}"
