"""How many long answers an owner has open in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from mediadl.asgi.messages import Head, Send, send_problem

RETRY_AFTER_SECONDS = 10


class TooManyStreams(Exception):  # noqa: N818  # named for what it says
    pass


class Streams:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_for(self, owner: str | None) -> Iterator[None]:
        """Counts one while it is entered; an answer without an owner is not limited."""
        if owner is None:
            yield
            return
        if self._open[owner] >= self._limit:
            raise TooManyStreams
        self._open[owner] += 1
        try:
            yield
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]


async def refuse(send: Send, head: Head) -> None:
    await send_problem(
        send,
        status=429,
        code="too_many_streams",
        title="Too many open downloads",
        detail="Wait until one of your downloads or event streams has ended, then ask again.",
        head=head,
        headers=[(b"retry-after", b"%d" % RETRY_AFTER_SECONDS)],
    )
