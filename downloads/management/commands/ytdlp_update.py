"""`manage.py ytdlp_update`: another yt-dlp for the engine of this machine, tried before it is used."""

from __future__ import annotations

import os
import shutil
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from downloads import storage, ytdlp_install, ytdlp_trial, ytdlp_versions
from downloads.succession import READY_SECONDS
from downloads.ytdlp_versions import Running


class Command(BaseCommand):
    help = (
        "Installs the newest yt-dlp beside the installed one, tries it, and has the engine of this machine use it. "
        "Downloads that run go on. Run it on each machine that has workers."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--check", action="store_true", help="only say which version is in use, and which is newest")
        what.add_argument("--rollback", action="store_true", help="go back to the one before")
        what.add_argument("--to", metavar="VERSION", default="", help="this version, also an older one")
        what.add_argument("--wheel", metavar="FILE", action="append", help="from a file; also of what it needs")

    def handle(self, *, check: bool, rollback: bool, to: str, wheel: list[str] | None, **_: Any) -> None:
        os.umask(0o077)
        try:
            if check:
                self._check()
                return
            storage.ensure_roots()
            with ytdlp_versions.locked():
                if rollback:
                    self._roll_back()
                else:
                    self._update(to, wheel or [])
                ytdlp_versions.prune()
        except ytdlp_versions.BusyError:
            raise CommandError("Another update is under way on this machine.") from None
        except ytdlp_install.PipError as error:
            raise CommandError(f"pip could not get it, and nothing has changed. {error}") from None

    def _check(self) -> None:
        used, newest = ytdlp_versions.in_use(), ytdlp_install.newest()
        self._say(f"{used} is in use, {newest} is the newest.")
        if ytdlp_versions.is_newer(newest, used):
            self._say("manage.py ytdlp_update installs it.")

    def _update(self, version: str, wheels: list[str]) -> None:
        used = ytdlp_versions.chosen_version()
        packages = ytdlp_install.from_wheels(wheels) if wheels else ytdlp_install.from_index(version)
        new = ytdlp_versions.version_in(packages)
        is_asked_for = bool(version or wheels)
        if ytdlp_versions.numbers(new) == ytdlp_versions.numbers(used) or not (
            is_asked_for or ytdlp_versions.is_newer(new, used)
        ):
            shutil.rmtree(packages)
            self._say(f"{used} is chosen already, and {new} is not newer.")
            return
        try:
            ytdlp_trial.run(packages)
        except ytdlp_trial.TrialError as error:
            shutil.rmtree(packages)
            raise CommandError(f"{new} was tried and cannot be used: {error}. {used} stays.") from None
        self._say(f"{new} has been tried: it reads a page and fetches a clip.")
        before = ytdlp_versions.directory()
        self._switch(packages, before.name if before else "")

    def _roll_back(self) -> None:
        selected = ytdlp_versions.selection()
        if selected is None:
            raise CommandError("There is none to go back to: yt-dlp has not been updated here.")
        previous = ytdlp_versions.root() / selected.previous if selected.previous else None
        if previous is not None and not ytdlp_versions.version_in(previous):
            raise CommandError(f"{previous} is gone.")
        self._switch(previous, selected.current)

    def _switch(self, packages: Path | None, previous: str) -> None:
        """And back, when the engine that runs does not take it."""
        selected, engine = ytdlp_versions.selection(), ytdlp_versions.running()
        ytdlp_versions.select(packages.name if packages else "", previous)
        chosen = ytdlp_versions.chosen_version()
        if engine is None:
            self._say(f"{chosen} is used from the next start.")
        elif self._is_taken(engine, packages):
            self._say(f"{chosen} is in use.")
        else:
            ytdlp_versions.write(selected)
            raise CommandError(f"The engine did not start with {chosen}, and goes on as before. See its log.")

    def _is_taken(self, before: Running, packages: Path | None) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            now = ytdlp_versions.running()
            if now is not None and now.overlay == str(packages or ""):
                return True
            if now is not None and now.pid != before.pid:
                return False
            time.sleep(0.1)
        return False

    def _say(self, text: str) -> None:
        self.stdout.write(f"yt-dlp: {text}")
