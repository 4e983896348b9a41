"""Many at once: threads for one-shot verbs, processes for what every process of a server shares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from typing import Any, TypeVar
from urllib.parse import quote

from django.db import connection, transaction

T = TypeVar("T")
START_SECONDS = 60
# So long the first of two waits for the second, which in most cases waits for the first.
MEETING_SECONDS = 0.5


def race(action: Callable[[], T], times: int) -> list[T | Exception]:
    """What each of `times` threads got or raised, all starting together and each with a connection of its own."""
    barrier = Barrier(times, timeout=START_SECONDS)

    def run() -> T | Exception:
        try:
            connection.ensure_connection()
            barrier.wait()
            return action()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as threads:
        return [future.result() for future in [threads.submit(run) for _ in range(times)]]


def meet(first: Callable[[], Any], second: Callable[[], Any]) -> list[Exception]:
    """`second` begins before the transaction of `first` ends. What it raised."""
    raised: list[Exception] = []

    def come() -> None:
        try:
            second()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            raised.append(error)
        finally:
            connection.close()

    other = Thread(target=come)
    with transaction.atomic():
        first()
        other.start()
        other.join(MEETING_SECONDS)
    other.join()
    return raised


def race_processes(action: str, *arguments: str, processes: int = 2, **environment: str) -> list[Any]:
    """The results of every thread of every process of tests.accounts.racer, all starting together."""
    command = [sys.executable, "-m", "tests.accounts.racer", action, *arguments]
    variables = {**os.environ, "DATABASE_URL": database_url(), **environment}
    racers = [
        subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        answers = [start(racer) for racer in racers]
        outputs = [racer.communicate(timeout=START_SECONDS)[0] for racer in answers]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    return [result for output in outputs for result in json.loads(output)]


def start(racer: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert racer.stdin is not None
    racer.stdin.write("go\n")
    racer.stdin.flush()
    return racer


def database_url() -> str:
    """Of the test's own database, which is not the one that the environment names."""
    parts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{parts['NAME']}"
    host = quote(parts["HOST"], safe="")
    port = f":{parts['PORT']}" if parts["PORT"] else ""
    return f"postgres://{parts['USER']}:{parts['PASSWORD']}@{host}{port}/{parts['NAME']}"
