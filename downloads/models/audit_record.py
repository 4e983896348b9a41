"""What audits of the store have found, for operators: one row for as long as a node finds the same."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.functions import Now

if TYPE_CHECKING:
    from downloads.audit import Report

KEPT_FOR = timedelta(days=30)
# Of each sort; counts are of all.
KEYS_KEPT = 50


class AuditRecordQuerySet(models.QuerySet["AuditRecord"]):
    def record(self, node: str, report: Report) -> None:
        findings = _findings(report)
        last = self.filter(node=node).order_by("-id").first()
        if last is not None and last.findings == findings:
            self.filter(pk=last.pk).update(taken_at=Now(), files=report.files)
        else:
            self.create(node=node, files=report.files, findings=findings)

    def latest_of_each_node(self) -> list[AuditRecord]:
        newest = self.order_by().values("node").annotate(newest=models.Max("id")).values("newest")
        return list(self.filter(pk__in=newest).order_by("node"))

    def with_findings(self) -> AuditRecordQuerySet:
        return self.exclude(findings={}).order_by("-id")

    def purge(self) -> None:
        self.filter(taken_at__lt=Now() - KEPT_FOR).delete()


class AuditRecord(models.Model):
    node = models.CharField(max_length=255)
    first_at = models.DateTimeField(db_default=Now())
    taken_at = models.DateTimeField(db_default=Now())
    files = models.PositiveBigIntegerField(default=0)
    # Sort → {"count": how many, "keys": some of them}; empty when bytes and rows agree.
    findings = models.JSONField(default=dict)

    objects = AuditRecordQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["node", "-id"], name="audit_record_of_node")]

    def __str__(self) -> str:
        found = ", ".join(f"{part['count']} {sort}" for sort, part in self.findings.items())
        return f"{self.node}: {found or 'nothing'}"


def _findings(report: Report) -> dict[str, Any]:
    sorts = {
        "orphans": report.orphans,
        "missing": report.missing,
        "damaged": report.damaged,
        "stale work": [str(job_id) for job_id in report.stale_work],
    }
    return {sort: {"count": len(keys), "keys": keys[:KEYS_KEPT]} for sort, keys in sorts.items() if keys}
