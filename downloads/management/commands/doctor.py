"""`manage.py doctor`: what this node has, what it lacks, and what to do about it."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from django.core.management.base import BaseCommand

from downloads import diagnosis, storage

MARKS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}


class Command(BaseCommand):
    help = "Checks ffmpeg, the JavaScript runtime, database, storage, guard and sandbox. Exits 1 on an error."
    requires_system_checks: list[str] = []

    def handle(self, **_: Any) -> None:
        with contextlib.suppress(OSError):
            storage.ensure_roots()
        found = diagnosis.findings()
        for item in found:
            self.stdout.write(f"{MARKS[item.status]}  {item.name}: {item.message}")
            if item.status != "ok":
                self.stdout.write(f"         → {item.remedy}")
        if any(item.status == "error" for item in found):
            sys.exit(1)
