"""Cookies of one owner's browser for some sites. Their values are written encrypted and leave only for an attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.models.locking import RemovingQuerySet
from downloads import netscape, vault

if TYPE_CHECKING:
    from accounts.models import User

MAX_NAME_LENGTH = 100


class CookieJarQuerySet(RemovingQuerySet["CookieJar"]):
    def owned_by(self, owner: User) -> CookieJarQuerySet:
        return self.filter(owner=owner)

    def usable(self) -> CookieJarQuerySet:
        return self.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))

    def store(
        self, owner: User, cookies: Sequence[netscape.Cookie], name: str = "", expires_at: datetime | None = None
    ) -> CookieJar:
        domains = netscape.domains_of(cookies)
        return self.create(
            owner=owner,
            name=name or _name(domains),
            ciphertext=vault.encrypt(netscape.write(cookies), settings.COOKIE_KEYS),
            domains=domains,
            cookie_count=len(cookies),
            expires_at=expires_at or _expiry(cookies),
        )


class CookieJar(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    ciphertext = models.TextField(editable=False)
    domains = models.JSONField(default=list)
    cookie_count = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # None is not known: some cookies last for as long as a browser's session.
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)

    objects = CookieJarQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = "cookies"
        verbose_name_plural = "cookies"
        constraints = [
            models.CheckConstraint(
                name="cookies_are_some",
                condition=Q(cookie_count__gt=0) & ~Q(ciphertext=""),
                violation_error_message="There is at least one cookie.",
            ),
        ]
        indexes = [models.Index(fields=["owner", "-id"], name="cookies_of_owner")]

    def __str__(self) -> str:
        return self.name

    def text(self) -> str:
        """The cookies, as yt-dlp reads them. Raises UndecryptableError."""
        return vault.decrypt(self.ciphertext, settings.COOKIE_KEYS)

    def is_expired(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at

    def is_for(self, host: str) -> bool:
        """Whether a request to that host could be sent some of them."""
        return any(host == domain or host.endswith(f".{domain}") for domain in self.domains)

    def mark_used(self) -> None:
        CookieJar.objects.filter(pk=self.pk).update(last_used_at=Now())

    def mark_success(self) -> None:
        CookieJar.objects.filter(pk=self.pk).update(last_success_at=Now())

    def rotate(self) -> bool:
        """Encrypts by the first of the keys. False when they have been deleted. Raises UndecryptableError."""
        rows = CookieJar.objects.filter(pk=self.pk, ciphertext=self.ciphertext)
        return bool(rows.update(ciphertext=vault.rotate(self.ciphertext, settings.COOKIE_KEYS)))


def _name(domains: Sequence[str]) -> str:
    """After the site that most of the domains belong to, which is mostly the shortest."""
    return min(domains, key=lambda domain: (len(domain), domain))[:MAX_NAME_LENGTH]


def _expiry(cookies: Sequence[netscape.Cookie]) -> datetime | None:
    latest = netscape.last_expiry(cookies)
    return None if latest is None else datetime.fromtimestamp(latest, UTC)
