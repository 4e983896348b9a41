"""People who sign in, and the one principal that stands for everybody when the API is open."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin, UserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext
from uuid_utils.compat import uuid7

ANONYMOUS_USERNAME = "anonymous"
EMPTY = "empty for the server's own limit, 0 for none."
UNUSABLE_PASSWORD = "!"  # noqa: S105  # what Django's own unusable passwords begin with


class CannotCloseError(Exception):
    """The text says what stands in the way."""


def new_id() -> uuid.UUID:
    return uuid7()


class UserQuerySet(models.QuerySet["User"]):
    def operators(self) -> UserQuerySet:
        return self.filter(is_staff=True, is_superuser=True, is_active=True)

    def able_to_sign_in(self) -> UserQuerySet:
        return self.filter(is_active=True).exclude(username=ANONYMOUS_USERNAME)

    def closed(self) -> UserQuerySet:
        """Accounts whose deletion has begun."""
        return self.filter(closed_at__isnull=False)

    def settled(self) -> UserQuerySet:
        """Those who have signed in before, or have a password to do it with."""
        has_password = ~Q(password="") & ~Q(password__startswith=UNUSABLE_PASSWORD)
        return self.filter(Q(last_login__isnull=False) | has_password)


class UserObjects(UserManager["User"]):
    use_in_migrations = False

    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def operators(self) -> UserQuerySet:
        return self.get_queryset().operators()

    def able_to_sign_in(self) -> UserQuerySet:
        return self.get_queryset().able_to_sign_in()

    def closed(self) -> UserQuerySet:
        return self.get_queryset().closed()

    def anonymous(self) -> User:
        """The principal of requests without a key where REQUIRE_API_KEY is false; made when first asked for."""
        found = self.filter(username=ANONYMOUS_USERNAME).first()
        if found is None:
            defaults = {"password": UNUSABLE_PASSWORD, "display_name": "Anyone without a key"}
            found, _ = self.get_or_create(username=ANONYMOUS_USERNAME, defaults=defaults)
        return found


class User(AbstractBaseUser, PermissionsMixin):
    """`is_staff` makes an operator: the admin site, and keys with the admin scope."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(
        "user name",
        max_length=150,
        unique=True,
        validators=[UnicodeUsernameValidator()],
        error_messages={"unique": "A user with that name exists already."},
    )
    display_name = models.CharField(max_length=150, blank=True)
    email = models.EmailField(blank=True)
    is_staff = models.BooleanField("operator", default=False, help_text="May use the admin site and admin keys.")
    is_active = models.BooleanField(
        "active", default=True, help_text="Without it nobody can sign in as this user, and its keys are refused."
    )
    date_joined = models.DateTimeField("joined", default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Of each, None is the server's own limit and 0 is none: accounts/quotas.py.
    max_concurrent_jobs = models.PositiveIntegerField(
        null=True, blank=True, help_text=f"Running at the same time; {EMPTY}"
    )
    max_queued_jobs = models.PositiveIntegerField(null=True, blank=True, help_text=f"Waiting; {EMPTY}")
    max_jobs_per_day = models.PositiveIntegerField(null=True, blank=True, help_text=f"Submitted in a day; {EMPTY}")
    max_bytes_per_day = models.PositiveBigIntegerField(
        null=True, blank=True, help_text=f"Bytes downloaded in a day; {EMPTY}"
    )
    max_stored_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text=f"Bytes of files that are kept; {EMPTY}"
    )

    objects: ClassVar[UserObjects] = UserObjects()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            # "Operator" beside "operator" would be a disguise.
            models.UniqueConstraint(
                Lower("username"),
                name="user_name_is_unique_in_any_case",
                violation_error_message="A user with that name exists already.",
            ),
            models.CheckConstraint(
                condition=~Q(username=ANONYMOUS_USERNAME)
                | Q(is_staff=False, is_superuser=False, password__startswith=UNUSABLE_PASSWORD),
                name="anonymous_user_has_no_rights",
                violation_error_message="The anonymous user can have no password and no rights of an operator.",
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def is_anonymous_principal(self) -> bool:
        return self.username == ANONYMOUS_USERNAME

    @property
    def obstacle_to_closing(self) -> str:
        """Why the account cannot be closed; empty when it can."""
        if self.is_anonymous_principal:
            return gettext("This account stands for everybody who comes without a key.")
        if self.is_staff or self.is_superuser:
            return gettext("An operator's account cannot be closed. Another operator has to take the role away first.")
        if LogEntry.objects.filter(user=self).exists():
            return gettext("What this account did as an operator stays on record, and so does the account.")
        return ""

    def close(self) -> None:
        """Ends all that can act for this user. Raises CannotCloseError. What the user has is downloads.closing's."""
        with transaction.atomic():
            if obstacle := self.obstacle_to_closing:
                raise CannotCloseError(obstacle)
            now = timezone.now()
            self.closed_at, self.is_active = now, False
            self.set_unusable_password()
            self.save(update_fields=["closed_at", "is_active", "password"])
            self.api_keys.filter(revoked_at=None).update(revoked_at=now)
            self.sessions.all().delete()
            self.sign_in_links.all().delete()

    def get_full_name(self) -> str:
        return self.display_name or self.username

    def get_short_name(self) -> str:
        return self.get_full_name()
