"""SIGKILL at random, from a seed: which processes there are to kill, and a round of killing them under work."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.faults.oracles import Oracle
from tests.product import Product, wait_until

ROLES: dict[str, Callable[[Product, int, str], bool]] = {
    "web": lambda product, pid, command: command == "mediadl: web",
    "sentinel": lambda product, pid, command: command in {"mediadl: download", "mediadl: control", "mediadl: probe"},
    # Its title also says what it runs.
    "slot": lambda product, pid, command: (
        "qcluster" in command and not command.endswith(("pusher", "monitor", "guard"))
    ),
    "busy slot": lambda product, pid, command: "processing" in command and "run_downloads" in command,
    "idle slot": lambda product, pid, command: "qcluster" in command and command.endswith("idle"),
    "pusher or monitor": lambda product, pid, command: (
        "qcluster" in command and command.endswith(("pusher", "monitor"))
    ),
    "fork server": lambda product, pid, command: "forkserver" in command and not is_attempt(product, pid),
    "guard": lambda product, pid, command: "engine.guard" in command,
    "attempt": lambda product, pid, command: is_attempt(product, pid),
    "ffmpeg": lambda product, pid, command: "ffmpeg" in command.partition(" ")[0] and is_attempt(product, pid),
    "supervisor": lambda product, pid, command: product.process is not None and pid == product.process.pid,
}
# What a service that is killed over and over costs is a restart by the platform; slots and attempts are cheap.
WEIGHTS = {
    "web": 2,
    "sentinel": 2,
    "busy slot": 6,
    "idle slot": 2,
    "pusher or monitor": 3,
    "fork server": 2,
    "guard": 2,
    "attempt": 4,
    # Of short life, so that it is there rarely: then it is the one.
    "ffmpeg": 40,
    "supervisor": 1,
}
# Encoding eight seconds of a test picture takes a second or two.
RECODED: dict[str, Any] = {"video_format": "webm", "allow_recode": True}


def is_attempt(product: Product, pid: int) -> bool:
    """A leash, its child or an ffmpeg: it works below the work directories."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(product.data_dir / "work")
    return False


class Killer:
    def __init__(self, oracle: Oracle, seed: int) -> None:
        self.oracle = oracle
        self.product = oracle.product
        self.random = random.Random(seed)
        self.killed: Counter[str] = Counter()

    def kill_one(self) -> None:
        """One process of a random role that exists now. A product that gave up is started again, as by a platform."""
        self.revive()
        living = self.product.pids()
        while True:
            role = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            if found := self._of(role, living):
                break
        self._kill(role, found)

    def kill_those_spared(self) -> None:
        """One of each role that chance has left out, while there is work for it."""
        for role in WEIGHTS:
            while not self.killed[role]:
                self.revive()
                self.submit(f"/slow/80000/item/{self.random.randrange(10**6, 10**7)}.mp4", **RECODED)
                self._kill(role, wait_until(partial(self._of, role), 120, every=0.02, what=f"a living {role}"))
        self.revive()

    def _of(self, role: str, living: dict[int, str] | None = None) -> list[int]:
        living = self.product.pids() if living is None else living
        return sorted(pid for pid, command in living.items() if ROLES[role](self.product, pid, command))

    def _kill(self, role: str, found: list[int]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.random.choice(found), signal.SIGKILL)
            self.killed[role] += 1

    def revive(self) -> None:
        process = self.product.process
        while process is not None and process.poll() is not None:
            # Killed in its first second it never answers.
            with contextlib.suppress(RuntimeError):
                self.product.start()
            process = self.product.process

    def submit(self, path: str, seconds: float = 60, **options: Any) -> None:
        """Until it is answered; whatever was not answered may exist as well."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError, AssertionError):
                job = self.oracle.submit(path, **options)
                if options:
                    # What ffmpeg makes of it lies nowhere at the origin.
                    self.oracle.ledger[job] = ""
                return
            self.revive()
            time.sleep(0.2)
        raise TimeoutError(f"nobody took {path} within {seconds:g} s")

    def round(self, *, jobs: int, kills: int, pause_seconds: float, bytes_per_second: int) -> None:
        """`jobs` submissions and `kills` kills, mixed. Every eighth job is encoded anew, which takes ffmpeg a while."""
        numbers = itertools.count(self.random.randrange(10**6))
        deeds = [True] * jobs + [False] * kills
        self.random.shuffle(deeds)
        for is_submission in deeds:
            if is_submission:
                number = next(numbers)
                encoded: dict[str, Any] = RECODED if number % 8 == 0 else {}
                self.submit(f"/slow/{bytes_per_second}/item/{number}.mp4", **encoded)
            else:
                self.kill_one()
                time.sleep(pause_seconds * self.random.uniform(0.2, 1.8))
        self.revive()
