"""`manage.py version`, or `--version`: of mediadl and of what matters most below it."""

from __future__ import annotations

import platform
from typing import Any

import django
from django.core.management.base import BaseCommand

from downloads import diagnosis, ytdlp_versions


class Command(BaseCommand):
    help = "Prints the versions of mediadl, yt-dlp, Django and Python."
    requires_system_checks: list[str] = []

    def handle(self, **_: Any) -> None:
        self.stdout.write(f"mediadl {diagnosis.version()}")
        self.stdout.write(f"yt-dlp {ytdlp_versions.in_use()}")
        self.stdout.write(f"Django {django.get_version()}")
        self.stdout.write(f"Python {platform.python_version()}")
