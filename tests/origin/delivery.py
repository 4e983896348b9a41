"""How an answer travels: the behaviours that a path's prefixes ask for, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from tests.origin.content import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    latency_seconds: float = 0
    bytes_per_second: int | None = None
    break_percent: int | None = None
    # What happens at the break: the connection is closed, or held open in silence.
    break_kind: Literal["cut", "stall"] = "cut"
    # A token breaks once; None breaks each time.
    break_token: str | None = None
    length_delta: int = 0
    framing: Literal["length", "chunked", "close"] = "length"
    accepts_ranges: bool = True

    def break_at(self, start: int, size: int) -> int | None:
        """The offset at which a response that starts at `start` breaks off, None when it runs through.

        A cut lies behind a client that resumed from it. A stall lets nobody past.
        """
        if self.break_percent is None:
            return None
        position = size * self.break_percent // 100
        if start < position or start == 0 or (self.break_kind == "stall" and start == position):
            return position
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    resource: Resource
    delivery: Delivery = Delivery()

    @property
    def is_partial_allowed(self) -> bool:
        return self.delivery.accepts_ranges and self.resource.status == HTTPStatus.OK
