"""`manage.py backup`: everything that has to be kept, in one archive, while the server runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from downloads import backup, diagnosis


def place() -> backup.Place:
    database = Path(settings.DATABASES["default"]["NAME"]) if settings.IS_SQLITE else None
    return backup.Place(data_dir=settings.DATA_DIR, database=database)


class Command(BaseCommand):
    help = "Writes database and keys, and the files if asked, into one archive. The server may run."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("archive", type=Path, help="the file to write, such as backup.tar; it must not exist")
        parser.add_argument("--files", action="store_true", help="the finished files as well")

    def handle(self, *, archive: Path, files: bool, **_: Any) -> None:
        if archive.exists():
            raise CommandError(f"{archive} exists already.")
        if not archive.parent.is_dir():
            raise CommandError(f"There is no directory {archive.parent}.")
        try:
            manifest = backup.write(archive, place(), version=diagnosis.version(), with_files=files)
        except (backup.BackupError, OSError) as failure:
            raise CommandError(str(failure)) from failure
        self.stdout.write(f"{archive}: {', '.join(sorted(manifest.sha256)) or 'no keys'}, {manifest.files} files")
        self.stdout.write("It holds keys in the clear: keep it where nobody else can read it.")
        if not settings.IS_SQLITE:
            self.stdout.write("The database is not in it: use pg_dump, as docs/backup.md says.")
        if files and settings.S3_BUCKET:
            self.stdout.write("The files in the bucket are not in it.")
