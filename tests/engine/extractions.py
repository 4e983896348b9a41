"""`python -m tests.engine.extractions`: takes one look for each spec of stdin, in a fork, as the fork server does."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from typing import Any

from yt_dlp.globals import extractors

from downloads.engine import entry, ytdlp
from downloads.engine.spec import Event, JobSpec
from tests.engine.sites import SITES


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look has told."""

    events: list[Event] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    @property
    def result(self) -> dict[str, Any]:
        return dict(next(event for event in self.events if event.name == "result").data["result"])

    @property
    def items(self) -> list[dict[str, Any]]:
        return [item for event in self.events if event.name == "items" for item in event.data["items"]]

    @property
    def error(self) -> str:
        return str(next(event for event in self.events if event.name == "error").data["code"])


def main() -> None:
    entry.warm()
    extractors.value.update({site.__name__: site for site in SITES})
    known = ytdlp._extractors()
    others = dict(known)
    known.clear()
    known |= {site.ie_key(): site for site in SITES} | others  # the first that knows an address takes it
    for line in sys.stdin:
        if os.fork() == 0:
            os._exit(entry.run(JobSpec.from_json(line), _say))
        _, status = os.wait()
        os.write(1, json.dumps({"event": "exit", "status": os.waitstatus_to_exitcode(status)}).encode() + b"\n")


def _say(event: Event) -> None:
    line = event.to_line()
    while line:
        line = line[os.write(1, line) :]


if __name__ == "__main__":
    main()
