"""API keys. Of a key only its digest is kept: whoever reads the database can use none.

usable ──revoke──▶ revoked        usable ──its time comes──▶ expired
   └──rotate──▶ usable until the overlap ends, beside a new key
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import combinations
from typing import ClassVar

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.translation import gettext

from accounts import keyformat
from accounts.models.prepared import Prepared
from accounts.models.user import User, new_id

LAST_USED_RESOLUTION = timedelta(minutes=1)
ENVIRONMENT_KEY_NAME = "API_KEY of the environment"


class Scope(enum.StrEnum):
    """`write` has `submit` in it, which alone is for keys in places where others may find them."""

    SUBMIT = "submit"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)
DIGEST_LENGTH = 64
LIMITS = ("max_concurrent_jobs", "max_jobs_per_day", "rate_limit_per_minute")


def written(scopes: Iterable[str]) -> str:
    """Scopes as the database holds them: in one order, so that a constraint can list all there are."""
    given = set(scopes)
    if unknown := given - ALL_SCOPES:
        raise ValueError(f"unknown scopes: {', '.join(sorted(unknown))}")
    return ",".join(scope for scope in Scope if scope in given)


WRITTEN_SCOPES = [written(chosen) for size in (1, 2, 3, 4) for chosen in combinations(Scope, size)]


class KeyUnusableError(Exception):
    """The key was revoked, has expired or was rotated before, so that nothing can be done to it any more."""


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def owned_by(self, user: User) -> ApiKeyQuerySet:
        return self.filter(owner=user)

    def live(self, at: datetime) -> ApiKeyQuerySet:
        """Neither revoked nor expired. Asks nothing of other tables: PostgreSQL checks a conditional UPDATE that
        waited for its row again, but not the subquery that a join would become.
        """
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=at), revoked_at=None)

    def usable(self, at: datetime) -> ApiKeyQuerySet:
        return self.live(at).filter(owner__is_active=True)

    def from_environment(self) -> ApiKeyQuerySet:
        return self.filter(is_from_environment=True)

    def newest_first(self) -> ApiKeyQuerySet:
        """Ids are made in the order of time."""
        return self.order_by("-id")

    def presented(self, plain: str, at: datetime) -> ApiKey | None:
        """The usable key that this is, with its owner. One query, or none for what cannot be a key."""
        if not keyformat.is_plausible(plain):
            return None
        return next((key for key in _BY_DIGEST.fetch(keyformat.digest(plain)) if key.is_usable(at)), None)


class ApiKeyManager(models.Manager["ApiKey"]):
    def get_queryset(self) -> ApiKeyQuerySet:
        return ApiKeyQuerySet(self.model, using=self._db)

    def owned_by(self, user: User) -> ApiKeyQuerySet:
        return self.get_queryset().owned_by(user)

    def usable(self, at: datetime) -> ApiKeyQuerySet:
        return self.get_queryset().usable(at)

    def presented(self, plain: str, at: datetime) -> ApiKey | None:
        return self.get_queryset().presented(plain, at)

    def issue(
        self,
        owner: User,
        name: str,
        scopes: Iterable[str],
        expires_at: datetime | None = None,
        **limits: int | None,
    ) -> tuple[ApiKey, str]:
        """The new key and its plain text, which is nowhere else and cannot be had again. `limits` are LIMITS."""
        plain = keyformat.generate()
        key = self.model(
            owner=owner,
            name=name,
            prefix=keyformat.prefix_of(plain),
            digest=keyformat.digest(plain),
            scopes=written(scopes),
            expires_at=expires_at,
            **limits,
        )
        key.save(force_insert=True)
        return key, plain

    def register_plain(self, plain: str, owner: User, name: str = ENVIRONMENT_KEY_NAME) -> ApiKey:
        """Makes this the environment's one key. Harmless to repeat; the key that it replaces stops working.

        A key that somebody revoked stays revoked, whatever the environment says.
        """
        if not keyformat.is_plausible(plain):
            raise ValueError(
                f"a key needs {keyformat.MIN_FOREIGN_LENGTH} to {keyformat.MAX_LENGTH} visible ASCII characters, "
                "and one that begins with mdl_ needs its right checksum"
            )
        digest = keyformat.digest(plain)
        with transaction.atomic():
            self.end_environment_keys(other_than=digest)
            key, is_new = self.get_or_create(digest=digest, defaults=self._environment_fields(owner, name, plain))
            if not is_new and key.is_from_environment:
                self.filter(pk=key.pk).update(expires_at=None)
                key.refresh_from_db()
        return key

    def end_environment_keys(self, *, other_than: str = "", at: datetime | None = None) -> int:
        """Expired and not revoked, so that the same value, set again, works again."""
        moment = at or timezone.now()
        live = self.get_queryset().live(moment).from_environment()
        return live.exclude(digest=other_than).update(expires_at=moment)

    def _environment_fields(self, owner: User, name: str, plain: str) -> dict[str, object]:
        return {
            "owner": owner,
            "name": name,
            "prefix": keyformat.prefix_of(plain),
            "scopes": written(Scope),
            "is_from_environment": True,
        }


class ApiKey(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=keyformat.PREFIX_LENGTH, blank=True, editable=False)
    digest = models.CharField(max_length=DIGEST_LENGTH, unique=True, editable=False)
    scopes = models.CharField(max_length=32, choices=[(scopes, scopes) for scopes in WRITTEN_SCOPES])
    is_from_environment = models.BooleanField(default=False, editable=False)
    # Of each, None is no limit but the owner's and the server's.
    max_concurrent_jobs = models.PositiveIntegerField(null=True, blank=True)
    max_jobs_per_day = models.PositiveIntegerField(null=True, blank=True)
    rate_limit_per_minute = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    rotated_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[ApiKeyManager] = ApiKeyManager()

    class Meta:
        verbose_name = "API key"
        indexes = [models.Index(fields=["owner", "-id"], name="api_keys_of_an_owner")]
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__in=WRITTEN_SCOPES),
                name="api_key_has_known_scopes",
                violation_error_message="A key needs one or more of the scopes submit, read, write and admin.",
            ),
            models.CheckConstraint(
                condition=~Q(name=""),
                name="api_key_has_a_name",
                violation_error_message="A key needs a name.",
            ),
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(expires_at__gte=F("created_at")),
                name="api_key_expires_after_it_was_made",
                violation_error_message="A key cannot expire before it was made.",
            ),
            *(
                models.CheckConstraint(
                    condition=Q(**{name: None}) | Q(**{f"{name}__gt": 0}),
                    name=f"api_key_{name}_is_positive",
                    violation_error_message="A key's limit is 1 or more.",
                )
                for name in LIMITS
            ),
            models.CheckConstraint(
                condition=Exact(Length("digest"), DIGEST_LENGTH),
                name="api_key_digest_is_a_sha256",
                violation_error_message="Only the SHA-256 digest of a key may be stored.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.shown_as})"

    @property
    def shown_as(self) -> str:
        return f"mdl_{self.prefix}_…" if self.prefix else "…"

    @property
    def scope_set(self) -> frozenset[Scope]:
        return frozenset(Scope(scope) for scope in self.scopes.split(","))

    @property
    def scope_list(self) -> list[Scope]:
        return [scope for scope in Scope if scope in self.scope_set]

    def state(self, at: datetime) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= at else "active"

    def is_usable(self, at: datetime) -> bool:
        """As the QuerySet's `usable` has it."""
        return self.state(at) == "active" and self.owner.is_active

    def touch(self, at: datetime) -> None:
        """Remembers the use, with at most one UPDATE a minute however many requests come at once."""
        stale = at - LAST_USED_RESOLUTION
        if self.last_used_at is not None and self.last_used_at > stale:
            return
        not_since = Q(last_used_at=None) | Q(last_used_at__lte=stale)
        type(self).objects.filter(not_since, pk=self.pk).update(last_used_at=at)

    @property
    def limits(self) -> dict[str, int | None]:
        return {name: getattr(self, name) for name in LIMITS}

    @property
    def limits_text(self) -> str:
        """Those it has, for people: "2 jobs at once, 100 jobs a day"."""
        said = (gettext("{count} jobs at once"), gettext("{count} jobs a day"), gettext("{count} requests a minute"))
        limits = [(self.limits[name], words) for name, words in zip(LIMITS, said, strict=True)]
        return ", ".join(words.format(count=limit) for limit, words in limits if limit)

    def rename(self, name: str) -> None:
        self.change(name=name)

    def change(self, **changes: str | int | None) -> None:
        """Its name and LIMITS."""
        if changes and not type(self).objects.filter(pk=self.pk, revoked_at=None).update(**changes):
            raise KeyUnusableError(gettext("The key is revoked."))
        for name, value in changes.items():
            setattr(self, name, value)

    def revoke(self, at: datetime | None = None) -> bool:
        """At once and for good. False when it was revoked before, which changes nothing."""
        moment = at or timezone.now()
        is_first = type(self).objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=moment) == 1
        self.refresh_from_db(fields=["revoked_at"])
        return is_first

    def rotate(self, overlap: timedelta = timedelta(0), at: datetime | None = None) -> tuple[ApiKey, str]:
        """A new key of the same name, scopes, limits and lifetime; this one works until `overlap` is over.

        Of several rotations at once one succeeds: the others raise KeyUnusableError.
        """
        moment = at or timezone.now()
        last_moment = min(moment + overlap, self.expires_at or datetime.max.replace(tzinfo=moment.tzinfo))
        keys = type(self).objects
        rotatable = keys.get_queryset().live(moment).filter(pk=self.pk, rotated_at=None, is_from_environment=False)
        with transaction.atomic():
            if not rotatable.update(rotated_at=moment, expires_at=last_moment):
                raise KeyUnusableError(gettext("Only a usable key that was not rotated before can be rotated."))
            lifetime = None if self.expires_at is None else self.expires_at - self.created_at
            expires_at = None if lifetime is None else moment + lifetime
            return keys.issue(self.owner, self.name, self.scope_set, expires_at, **self.limits)


_BY_DIGEST = Prepared(lambda digest: ApiKey.objects.get_queryset().select_related("owner").filter(digest=digest))
