"""The round that makes good whatever died in between: harmless to repeat, and to run on several nodes at once."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone

from accounts.models import DayUsage, IdempotentAnswer, RateBucket, SignInLink
from downloads import (
    audit,
    batches,
    bell,
    closing,
    cookies,
    crash_points,
    expansion,
    probing,
    recovery,
    retention,
    storage,
)
from downloads.models import AuditRecord, Job, Link, LinkVisit, MediaFile, Node, Sample
from webhooks import upkeep as webhooks

log = structlog.get_logger(__name__)

AUDIT_SECONDS = 30
# A bucket is listed by paid requests; what is wrong there comes of crashes alone.
BUCKET_AUDIT_SECONDS = 900
DAILY_SECONDS = 3600


def sweep() -> None:
    """Each step for itself: one that fails must not keep the others from running."""
    crash_points.reach("sweep.begin")
    for step in STEPS:
        _safely(step)
    crash_points.reach("sweep.end")


def recover() -> None:
    lost = recovery.recover_node() + recovery.recover_stalled()
    if lost:
        log.warning("recovered_jobs", count=lost)


def ring_for_due() -> None:
    """Retries that have become due, and wake-ups that were lost, have no bell of their own."""
    due = Job.objects.eligible()[: settings.WORKERS].count()
    for _ in range(due):
        bell.ring(bell.DOWNLOAD)


def look_after_probes() -> None:
    if lost := probing.recover():
        log.warning("recovered_probes", count=lost)
    probing.ring_for_waiting()
    probing.purge()


def look_after_batches() -> None:
    batches.sweep()
    expansion.ring_for_waiting()


def look_after_webhooks() -> None:
    webhooks.look_after()


def remove_lent_cookies() -> None:
    """After the recoveries, which take the leases of the dead."""
    cookies.remove_strays()


def finish_discards() -> None:
    retention.finish_discards()


def expire() -> None:
    retention.expire_due()


def evict() -> None:
    retention.evict_over_quota()


def close_accounts() -> None:
    closing.advance_all()


def tidy() -> None:
    """Files without a row and work without a job, as the audit finds them."""
    if cache.add(f"sweep.work.{settings.NODE_NAME}", 1, AUDIT_SECONDS):
        audit.remove_stale_work(audit.stale_work())
    if cache.add("sweep.tidy", 1, BUCKET_AUDIT_SECONDS if settings.S3_BUCKET else AUDIT_SECONDS):
        report = audit.audit()
        AuditRecord.objects.record(settings.NODE_NAME, report)
        if not report.is_clean:
            log.warning("audit_found", orphans=len(report.orphans), missing=len(report.missing))
            audit.remove_strays(report)


def sample() -> None:
    now = timezone.now()
    if Sample.objects.is_due(now):
        free = None if settings.S3_BUCKET else storage.free_bytes()
        Sample.objects.take(now, stored_bytes=MediaFile.objects.stored().total_bytes(), free_bytes=free)


def forget() -> None:
    if cache.add("sweep.forget", 1, DAILY_SECONDS):
        retention.forget_finished()
        Node.objects.forgotten().delete()
        Sample.objects.purge(timezone.now())
        AuditRecord.objects.purge()
        RateBucket.objects.purge()
        IdempotentAnswer.objects.purge()
        DayUsage.objects.purge()
        SignInLink.objects.purge(timezone.now())
        Link.objects.forgotten(timezone.now()).delete()
        LinkVisit.objects.lapsed(timezone.now()).delete()
        webhooks.purge()
        call_command("clearsessions")


def _safely(step: Callable[[], None]) -> None:
    try:
        step()
    except Exception:
        log.exception("sweep_step_failed", step=step.__name__)


STEPS = (
    *(recover, ring_for_due, look_after_probes, look_after_batches, look_after_webhooks),
    *(remove_lent_cookies, finish_discards, expire, evict, close_accounts, tidy, sample, forget),
)
