"""`manage.py storage_audit`: proves that bytes and rows agree, and repairs where they do not."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from downloads import audit


class Command(BaseCommand):
    help = "Compares every file below the media root with its row, both ways. Exits 1 when they disagree."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="remove orphans, and rows that promise lost bytes")

    def handle(self, *, repair: bool, **_: Any) -> None:
        report = audit.audit()
        for word, keys in (("orphan", report.orphans), ("missing", report.missing), ("damaged", report.damaged)):
            for key in keys:
                self.stdout.write(f"{word}: {key}")
        for job_id in report.stale_work:
            self.stdout.write(f"stale work: {job_id}")
        self.stdout.write(
            f"{report.files} files, {len(report.orphans)} orphans, {len(report.missing)} missing, "
            f"{len(report.damaged)} damaged, {len(report.stale_work)} stale work directories"
        )
        if repair:
            audit.remove_strays(report)
            audit.withdraw_lost(report)
        elif not report.is_clean:
            sys.exit(1)
