"""`manage.py cluster QUEUE`: one django-q2 cluster whose processes all die with their parents."""

from __future__ import annotations

import gc
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Runs the workers of one queue. `manage.py up` starts one for each; run it by hand only to debug."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", choices=["control", "download", "probe"])

    def handle(self, *, queue: str, **_: Any) -> None:
        # django-q2 reads the name while it is imported, which happened when the apps were loaded.
        if os.environ.get("Q_CLUSTER_NAME", "control") != queue:
            raise CommandError(f"Set Q_CLUSTER_NAME={queue} in the environment of this command.")
        from django_q.cluster import Cluster  # noqa: PLC0415 - reads settings

        from downloads import tasks  # noqa: F401, PLC0415 - loaded once, shared by all workers
        from downloads.processes import inherit_death_below  # noqa: PLC0415

        inherit_death_below()
        gc.freeze()
        Cluster().start()
