"""`python -m tests.engine.attempt_server`: warms yt-dlp once and makes an attempt of each line of stdin.

Without leash, sandbox and guard, so that the tests of the child see the child alone. Its events go to stdout,
between a line with its pid and one with its exit status.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from downloads.engine import child
from downloads.engine.spec import Event, JobSpec


def main() -> None:
    child.warm()
    _say({"event": "ready"})
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _attempt(JobSpec.from_json(line))
        _say({"event": "pid", "pid": pid})
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        _say({"event": "exit", "status": status})


def _attempt(spec: JobSpec) -> NoReturn:
    os.setsid()
    os.close(0)
    os._exit(child.run(spec, _emit))


def _emit(event: Event) -> None:
    line = event.to_line()
    while line:
        line = line[os.write(1, line) :]


def _say(message: dict[str, object]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
