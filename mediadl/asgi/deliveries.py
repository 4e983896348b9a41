"""Which bytes of a file have gone out under a token, over all the requests that fetch it.

A player asks for the end of a film before its beginning, and a download that broke off is resumed: only together do
the parts say that somebody has the file. It is kept in this process, and what is forgotten only counts as not sent.
"""

from __future__ import annotations

from collections import OrderedDict

from mediadl.asgi.ranges import Span, coalesce

REMEMBERED_TOKENS = 1024
REMEMBERED_PARTS = 64


class Deliveries:
    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[str, int], list[Span]] = OrderedDict()

    def add(self, token: str, size: int, part: Span) -> None:
        parts = coalesce([*self._parts.pop((token, size), []), part])
        self._parts[token, size] = parts[:REMEMBERED_PARTS]
        if len(self._parts) > REMEMBERED_TOKENS:
            self._parts.popitem(last=False)

    def is_whole(self, token: str, size: int) -> bool:
        return self._parts.get((token, size)) == [(0, size)]

    def forget(self, token: str, size: int) -> None:
        self._parts.pop((token, size), None)
