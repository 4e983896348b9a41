"""`manage.py restore`: puts a backup in place, of a server that does not run."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from downloads import audit, backup, diagnosis, storage
from downloads.management.commands.backup import place
from downloads.models import Node


class Command(BaseCommand):
    help = "Checks a backup, puts it in place and migrates it. Stop the server before."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("archive", type=Path)
        parser.add_argument("--force", action="store_true", help="also where there is a database; it is kept aside")

    def handle(self, *, archive: Path, force: bool, **_: Any) -> None:
        here = place()
        if here.database is not None and here.database.exists() and not force:
            raise CommandError(f"{here.database} exists already. --force keeps it aside and restores all the same.")
        if _runs():
            raise CommandError("A server has run here within the last minute. Stop it, and wait a minute.")
        connection.close()
        try:
            manifest = backup.restore(archive, here, version=diagnosis.version())
        except (backup.BackupError, OSError) as failure:
            raise CommandError(str(failure)) from failure
        self.stdout.write(f"restored the backup of {manifest.created_at}, version {manifest.version}")
        if settings.IS_SQLITE:
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        storage.ensure_roots()
        report = audit.audit()
        self.stdout.write(f"{report.files} files, {len(report.orphans)} without a row, {len(report.missing)} missing")
        if not report.is_clean:
            self.stdout.write("`manage.py storage_audit --repair` makes bytes and rows agree.")


def _runs() -> bool:
    if not settings.IS_SQLITE or not Path(settings.DATABASES["default"]["NAME"]).exists():
        return False
    try:
        return Node.objects.alive().exists()
    except DatabaseError:
        # What is there is no database of ours, or a damaged one: a reason to restore.
        return False
