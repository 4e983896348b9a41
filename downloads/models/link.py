"""A link to a file, for people without an account: it expires, can be revoked, and counts the downloads it began.

open ──revoke──▶ revoked        open ──its time comes──▶ expired        open ──its last download──▶ used up

What a download is: a request for the whole file is one. A request for a part belongs to the download that its visitor
began less than VISIT ago, or else begins one itself. So resuming takes none, nor do the hundred requests of a player
that seeks, and no byte goes to anybody who was not counted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from downloads.models.file import MediaFile
from downloads.models.job import Job

if TYPE_CHECKING:
    from accounts.models import User

# Between two requests of the same download: a film may be paused over night.
VISIT = timedelta(hours=24)
DEFAULT_LIFETIME = timedelta(days=7)
LONGEST_LIFETIME = timedelta(days=365)
# Those that nobody can use any more are shown for a while.
REMEMBERED = timedelta(days=30)
MAX_OPEN_LINKS = 100


class LinkState(models.TextChoices):
    OPEN = "open", _("Open")
    USED_UP = "used_up", _("Used up")
    EXPIRED = "expired", _("Expired")
    REVOKED = "revoked", _("Revoked")


class LinkClosedError(Exception):
    """The link gives out no more downloads."""

    def __init__(self, state: LinkState) -> None:
        super().__init__(f"The link is {state.label.lower()}.")
        self.state = state


class TooManyLinksError(Exception):
    """The file has as many open links as one may have."""


class LinkQuerySet(models.QuerySet["Link"]):
    def owned_by(self, owner: User) -> LinkQuerySet:
        return self.filter(owner=owner, file__job__discarded_at__isnull=True)

    def live(self, at: datetime) -> LinkQuerySet:
        """Neither revoked nor expired."""
        return self.filter(revoked_at=None, expires_at__gt=at)

    def open(self, at: datetime) -> LinkQuerySet:
        """Those by which a download can begin."""
        return self.live(at).filter(Q(max_downloads=None) | Q(download_count__lt=F("max_downloads")))

    def newest_first(self) -> LinkQuerySet:
        """Ids are made in the order of time."""
        return self.order_by("-id")

    def forgotten(self, at: datetime) -> LinkQuerySet:
        return self.filter(expires_at__lt=at - REMEMBERED)

    def issue(self, file: MediaFile, owner: User, at: datetime, **chosen: Any) -> Link:
        """`chosen`: expires_at, max_downloads, label. Raises TooManyLinksError, and MediaFile.DoesNotExist."""
        expires_at = chosen.pop("expires_at", None) or default_end(file, at)
        with transaction.atomic():
            if not Job.objects.lock(file.job_id):
                raise MediaFile.DoesNotExist
            if self.filter(file=file).open(at).count() >= MAX_OPEN_LINKS:
                raise TooManyLinksError
            return self.create(file=file, owner=owner, created_at=at, expires_at=expires_at, **chosen)


def is_shareable(file: MediaFile, at: datetime) -> bool:
    """Whether there is time left for a link: files go a little later than their time."""
    return file.deleted_at is None and latest_end(file, at) > at


def default_end(file: MediaFile, at: datetime) -> datetime:
    """When the file goes; of one that is kept, a week from now."""
    return file.job.expires_at or at + DEFAULT_LIFETIME


def latest_end(file: MediaFile, at: datetime) -> datetime:
    """A link does not promise what will be deleted."""
    longest = at + LONGEST_LIFETIME
    return min(file.job.expires_at or longest, longest)


class Link(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    file = models.ForeignKey(MediaFile, on_delete=models.CASCADE, related_name="links")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="links")
    label = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    # None is as many as come.
    max_downloads = models.PositiveIntegerField(null=True, blank=True)
    download_count = models.PositiveIntegerField(default=0)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = LinkQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="link_lives_for_a_while",
                condition=Q(expires_at__gt=F("created_at")),
                violation_error_message="A link expires after it was made.",
            ),
            models.CheckConstraint(
                name="link_allows_a_download",
                condition=Q(max_downloads=None) | Q(max_downloads__gte=1),
                violation_error_message="A link allows a download at least.",
            ),
            models.CheckConstraint(
                name="link_count_within_its_limit",
                condition=Q(max_downloads=None) | Q(download_count__lte=F("max_downloads")),
                violation_error_message="A link gives out no more downloads than it allows.",
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="link_expiring")]

    def __str__(self) -> str:
        return self.label or str(self.id)

    def state(self, at: datetime) -> LinkState:
        if self.revoked_at is not None:
            return LinkState.REVOKED
        if self.expires_at <= at:
            return LinkState.EXPIRED
        is_used_up = self.max_downloads is not None and self.download_count >= self.max_downloads
        return LinkState.USED_UP if is_used_up else LinkState.OPEN

    def revoke(self, at: datetime) -> bool:
        """At once and for good. False when it was revoked before, which changes nothing."""
        is_first = Link.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=at) == 1
        self.refresh_from_db(fields=["revoked_at"])
        return is_first

    def admit(self, visitor: str, at: datetime, *, is_whole: bool) -> None:
        """Lets a request have bytes, and counts it when it begins a download. Raises LinkClosedError.

        Of many requests at once exactly as many begin as are left, and of parts that one visitor asks for at once one.
        """
        if (state := self.state(at)) in (LinkState.REVOKED, LinkState.EXPIRED):
            raise LinkClosedError(state)
        visits = LinkVisit.objects.filter(link=self, visitor=visitor)
        if not is_whole and visits.recent(at).update(seen_at=at):
            return
        with transaction.atomic():  # a visit that is refused must not be there for the next part
            is_new = bool(visits.lapsed(at).update(seen_at=at)) or self._first_visit(visitor, at)
            if is_whole or is_new:
                self._count(at)
            visits.update(seen_at=at)

    def look(self, visitor: str, at: datetime) -> None:
        """Of a request that has no bytes. Raises LinkClosedError, but not to who may ask for the rest of a download."""
        state = self.state(at)
        may_go_on = LinkVisit.objects.filter(link=self, visitor=visitor).recent(at)
        if state != LinkState.OPEN and not (state == LinkState.USED_UP and may_go_on.exists()):
            raise LinkClosedError(state)

    def _first_visit(self, visitor: str, at: datetime) -> bool:
        return LinkVisit.objects.get_or_create(link=self, visitor=visitor, defaults={"seen_at": at})[1]

    def _count(self, at: datetime) -> None:
        left = Link.objects.open(at).filter(pk=self.pk)
        if not left.update(download_count=F("download_count") + 1, last_used_at=at):
            self.refresh_from_db()
            state = self.state(at)
            raise LinkClosedError(LinkState.USED_UP if state == LinkState.OPEN else state)


class LinkVisitQuerySet(models.QuerySet["LinkVisit"]):
    def recent(self, at: datetime) -> LinkVisitQuerySet:
        return self.filter(seen_at__gt=at - VISIT)

    def lapsed(self, at: datetime) -> LinkVisitQuerySet:
        return self.filter(seen_at__lte=at - VISIT)


class LinkVisit(models.Model):
    """That somebody has begun a download. `visitor` is a digest that tells nobody their address."""

    link = models.ForeignKey(Link, on_delete=models.CASCADE, related_name="visits")
    visitor = models.CharField(max_length=32)
    seen_at = models.DateTimeField()

    objects = LinkVisitQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="link_visit_one_for_each_visitor",
                fields=["link", "visitor"],
                violation_error_message="A visitor of a link is noted once.",
            ),
        ]
        indexes = [models.Index(fields=["seen_at"], name="link_visit_seen")]

    def __str__(self) -> str:
        return f"{self.visitor} at {self.link_id}"
