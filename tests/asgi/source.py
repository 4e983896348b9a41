"""An event source in memory: a log of messages, and for a snapshot the last one of the channel."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    channel: str
    id: str | int
    event: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    messages: Sequence[Message]
    cursor: int


class Source:
    def __init__(self) -> None:
        self.log: list[Message] = []
        self.calls: list[str] = []
        self.threads: set[int] = set()
        self.failures = 0  # so many of the next calls fail
        self.resumes_from = 0  # ids below are forgotten

    def add(self, channel: str, data: str = "", event: str = "") -> None:
        self.log.append(Message(channel=channel, id=len(self.log) + 1, event=event, data=data))

    def snapshot(self, channel: str, after: str | None) -> Batch:
        self._note(f"snapshot {channel} {after}")
        mine = [message for message in self.log if message.channel == channel]
        if after is not None and after.isdigit() and int(after) >= self.resumes_from:
            return Batch(messages=[message for message in mine if int(message.id) > int(after)], cursor=len(self.log))
        data = mine[-1].data if mine else "nothing"
        now = Message(channel=channel, id=len(self.log), event="snapshot", data=data)
        return Batch(messages=[now], cursor=len(self.log))

    def poll(self, cursor: int, channels: frozenset[str]) -> Batch:
        self._note("poll " + " ".join(sorted(channels)))
        news = [message for message in self.log[cursor:] if message.channel in channels]
        return Batch(messages=news, cursor=len(self.log))

    def _note(self, call: str) -> None:
        self.threads.add(threading.get_ident())
        self.calls.append(call)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the database is away")
