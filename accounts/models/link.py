"""One-time links to sign in: for the first operator, and for people who lost their password."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models, transaction
from django.utils import timezone

from accounts.models.user import User, new_id


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class SignInLinkQuerySet(models.QuerySet["SignInLink"]):
    def unused(self, at: datetime) -> SignInLinkQuerySet:
        """Asks nothing of other tables: PostgreSQL checks a conditional UPDATE that waited for its row again, but not
        the subquery that a join becomes. With one, 12 of 12 got in by the same link.
        """
        return self.filter(used_at=None, expires_at__gt=at)

    def of_token(self, token: str) -> SignInLinkQuerySet:
        return self.filter(digest=digest(token))

    def of_no_more_use(self, at: datetime) -> SignInLinkQuerySet:
        return self.filter(expires_at__lte=at)


class SignInLinkManager(models.Manager["SignInLink"]):
    def get_queryset(self) -> SignInLinkQuerySet:
        return SignInLinkQuerySet(self.model, using=self._db)

    def issue(self, user: User, lifetime: timedelta) -> str:
        """The token of a new link; only its digest is kept."""
        if user.is_anonymous_principal:
            raise ValueError("nobody can sign in as the anonymous user")
        token = secrets.token_urlsafe(32)
        self.create(user=user, digest=digest(token), expires_at=timezone.now() + lifetime)
        return token

    def is_open(self, token: str, at: datetime) -> bool:
        return self.get_queryset().unused(at).of_token(token).filter(user__is_active=True).exists()

    def redeem(self, token: str, at: datetime) -> User | None:
        """Whom the link signs in, once: of several that come at the same time one gets the user.

        Using one link closes the others of the same user.
        """
        links = self.get_queryset()
        with transaction.atomic():
            if not links.unused(at).of_token(token).update(used_at=at):
                return None
            user = User.objects.get(sign_in_links__digest=digest(token))
            links.unused(at).filter(user=user).update(used_at=at)
        return user if user.is_active else None

    def purge(self, at: datetime) -> int:
        return self.get_queryset().of_no_more_use(at).delete()[0]


class SignInLink(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_in_links")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects: ClassVar[SignInLinkManager] = SignInLinkManager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")),
                name="sign_in_link_lives_for_a_while",
                violation_error_message="A link must expire after it was made.",
            ),
        ]

    def __str__(self) -> str:
        return f"link for {self.user}, until {self.expires_at:%Y-%m-%d %H:%M}"
