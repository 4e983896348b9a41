"""How an answer travels: the behaviours that a path's prefixes ask for, as one value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from tests.origin.content import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    latency_seconds: float = 0
    bytes_per_second: int | None = None
    break_percent: int | None = None
    # Bytes before that place.
    break_short: int = 0
    # What happens at the break: the connection is closed, or held open in silence.
    break_kind: Literal["cut", "stall"] = "cut"
    # A token breaks once; None breaks each time.
    break_token: str | None = None
    length_delta: int = 0
    framing: Literal["length", "chunked", "close"] = "length"
    accepts_ranges: bool = True

    def break_at(self, start: int, size: int) -> int | None:
        """The offset at which a response that starts at `start` breaks off, None when it runs through.

        A client that resumes is not cut again. A stall lets nobody past.
        """
        if self.break_percent is None:
            return None
        position = size * self.break_percent // 100 - self.break_short
        is_met = start <= position if self.break_kind == "stall" else start == 0
        return position if is_met else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    resource: Resource
    delivery: Delivery = Delivery()

    @property
    def is_partial_allowed(self) -> bool:
        return self.delivery.accepts_ranges and self.resource.status == HTTPStatus.OK


def requested_span(wanted: str, size: int) -> tuple[int, int] | None:
    """Start and stop of a single byte range; None for the whole; an empty span when it cannot be satisfied."""
    found = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", wanted.strip())
    first, last = found.groups() if found else ("", "")
    if not first and not last:
        return None
    if not first:
        return (max(0, size - int(last)), size) if int(last) else (size, size)
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size
