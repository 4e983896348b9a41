"""Where somebody is signed in: Django's sessions, which also know whose they are, and of which browser."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import ClassVar

from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models
from django.utils import timezone

from accounts.models.user import User


class SessionQuerySet(models.QuerySet["Session"]):
    def of_user(self, user: User) -> SessionQuerySet:
        return self.filter(user=user)

    def live(self, at: datetime) -> SessionQuerySet:
        return self.filter(expire_date__gt=at)

    def newest_first(self) -> SessionQuerySet:
        return self.order_by("-last_seen_at")

    def end(self) -> int:
        """Signs out: whoever comes with one of these keys is nobody."""
        return self.delete()[0]


class SessionManager(BaseSessionManager["Session"]):
    def get_queryset(self) -> SessionQuerySet:
        return SessionQuerySet(self.model, using=self._db)

    def of_user(self, user: User) -> SessionQuerySet:
        return self.get_queryset().of_user(user)

    def others(self, user: User, key: str | None) -> SessionQuerySet:
        """The user's, but for the one of `key`."""
        return self.of_user(user).exclude(session_key=key or "")


class Session(AbstractBaseSession):
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    browser = models.CharField(max_length=40, blank=True)
    signed_in_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[SessionManager] = SessionManager()

    @property
    def handle(self) -> str:
        """Names the session in a page: its key would be the session itself."""
        return hashlib.sha256(self.session_key.encode()).hexdigest()[:32]
