"""Closing an account: what can act for it ends at once, what it has goes soon after, and its row goes last."""

from __future__ import annotations

import contextlib

import structlog
from django.db import transaction

from accounts.models import User
from downloads import batches, retention
from downloads.models import Batch, CookieJar, Job, Link, TransitionError
from downloads.models.many import cancel_waiting
from webhooks.models import Endpoint

log = structlog.get_logger(__name__)


def close(user: User) -> None:
    """Raises CannotCloseError."""
    begin(user)
    advance(user)


def begin(user: User) -> None:
    """From here on nobody is let in as this user; the sweep does the rest. Raises CannotCloseError."""
    with transaction.atomic():
        user.close()
        # First, or they would be told of every job that is now cancelled.
        Endpoint.objects.owned_by(user).remove()
        CookieJar.objects.owned_by(user).remove()
        Link.objects.owned_by(user).delete()


def advance(user: User) -> None:
    """Goes on with what a closed account has left; harmless to repeat. A job that runs goes when its worker let go."""
    for batch in Batch.objects.owned_by(user).live():
        batches.cancel(batch)
    cancel_waiting(Job.objects.owned_by(user))
    for job in Job.objects.owned_by(user).running():
        with contextlib.suppress(TransitionError):
            job.cancel()
    while retention.delete_jobs(Job.objects.belonging_to(user).finished()[: retention.BATCH]):
        pass
    Batch.objects.owned_by(user).ended().filter(jobs__isnull=True).delete()
    if _delete_empty(user):
        log.info("account_deleted")


def _delete_empty(user: User) -> bool:
    with transaction.atomic():
        # From here on no request that was let in before adds anything to it.
        list(User.objects.filter(pk=user.pk).select_for_update())
        if Job.objects.belonging_to(user).exists() or Batch.objects.owned_by(user).exists():
            return False
        user.delete()
        return True


def advance_all() -> None:
    """For the sweep."""
    for user in User.objects.closed():
        advance(user)
