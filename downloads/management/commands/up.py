"""`manage.py up`: migrates, then runs and supervises everything this node needs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from accounts.first_start import ensure_first_operator, register_environment_key
from downloads import heap, storage, workers
from downloads.migrating import one_at_a_time
from downloads.processes import CrashLoopError, Service, fork, stop_all
from downloads.succession import EngineService, Succession
from downloads.supervision import QUEUES, Pulse, answer_at_once, services
from mediadl.static import collect_when_changed

TICK_SECONDS = 0.2


class Command(BaseCommand):
    help = "Migrates the database, then runs and supervises web, workers, engine and guard."
    # Run in a fork, with all else that is needed once: what it loads would stay in every process that is forked later.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--only", choices=["web", "worker"], help="run just this part on this node")

    def handle(self, *, only: str | None, **_: Any) -> None:
        # What is kept here is nobody else's business on this machine.
        os.umask(0o077)
        self.signals = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._count_signal)
        parts = frozenset([only] if only else ["web", "worker"])
        if status := fork(partial(self._prepare, parts))().wait():
            sys.exit(status)
        web_socket = bind(settings.HOST, settings.PORT) if "web" in parts else None
        running = services(parts, web_socket)
        self._greet(parts)
        heap.settle()
        sys.exit(self._supervise(running))

    def _prepare(self, parts: frozenset[str]) -> None:
        if settings.METRICS_DIR:
            # What processes of before counted is theirs; counters start from nought with us.
            shutil.rmtree(settings.METRICS_DIR, ignore_errors=True)
            Path(settings.METRICS_DIR).mkdir(mode=0o700, parents=True)
        self.check(display_num_errors=False)
        storage.ensure_roots()
        workers.stop_draining()
        with one_at_a_time(self._say):
            call_command("migrate", interactive=False, verbosity=0)
            self._register_environment_key()
        if "web" in parts and not (settings.DEBUG or settings.TESTING):
            self._collect_static()

    def _register_environment_key(self) -> None:
        try:
            register_environment_key()
        except ValueError as failure:
            self._say(f"API_KEY: {failure}")
            sys.exit(1)

    def _collect_static(self) -> None:
        # A read-only image brings its own.
        if os.access(settings.STATIC_ROOT.parent, os.W_OK):
            collect_when_changed()

    def _greet(self, parts: frozenset[str]) -> None:
        if "web" not in parts:
            self._say("worker ready")
            return
        link = ensure_first_operator()
        self._say(f"open {link}" if link else f"open {settings.PUBLIC_BASE_URL}/")
        if not settings.REQUIRE_API_KEY:
            self._say("warning: REQUIRE_API_KEY is false: anyone who reaches this address may use it")

    def _supervise(self, running: list[Service]) -> int:
        pulse = Pulse([service for service in running if service.name in QUEUES], self._say)
        successions = [Succession(service, self._say) for service in running if isinstance(service, EngineService)]
        status = 0
        try:
            while not self.signals:
                for service in running:
                    service.tend(self._say)
                for succession in successions:
                    succession.tend()
                pulse.beat()
                time.sleep(TICK_SECONDS)
        except CrashLoopError as failure:
            self._say(str(failure))
            status = 1
        workers.start_draining()
        stop_all(running, settings.DRAIN_SECONDS, is_urgent=lambda: self.signals > 1)
        if not status:
            pulse.end()
        return status

    def _count_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.signals += 1

    def _say(self, text: str) -> None:
        self.stdout.write(f"mediadl: {text}")
        self.stdout.flush()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket that outlives restarts of the web process; `::` also serves IPv4."""
    is_dual = host in {"::", "[::]"} and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host.strip("[]"), port), family=family, backlog=512, dualstack_ipv6=is_dual)
    answer_at_once(listener)
    return listener
