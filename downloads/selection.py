"""Which entries of a list are wanted, and in which order. Pure: the same list and wish give the same plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

Entry = dict[str, Any]

# "1-10,15,20-25". What follows the last dash may be missing: to the end.
ITEMS_PATTERN = r"^[1-9][0-9]{0,6}(-([1-9][0-9]{0,6})?)?(,[1-9][0-9]{0,6}(-([1-9][0-9]{0,6})?)?)*$"
_PART = re.compile(r"([1-9][0-9]{0,6})(-?)([0-9]*)")

# By the name that is asked for: what is compared, and whether the largest comes first.
ORDERS: dict[str, tuple[Callable[[Entry], Any], bool]] = {
    "upload_date": (lambda entry: entry["upload_date"], True),
    "view_count": (lambda entry: entry["view_count"], True),
    "duration": (lambda entry: entry["duration"], True),
    "title": (lambda entry: entry["title"] and entry["title"].casefold(), False),
}
# By the name of the bound: what is compared, and whether it is the lower one.
BOUNDS: dict[str, tuple[str, bool]] = {
    "date_after": ("upload_date", True),
    "date_before": ("upload_date", False),
    "min_duration": ("duration", True),
    "max_duration": ("duration", False),
    "min_views": ("view_count", True),
    "max_views": ("view_count", False),
}


class TooManyError(Exception):
    """The list goes on beyond what has been read of it, and so may the selection."""


class NothingError(Exception):
    """The list has none of the items that were named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`items`, `start` and `end` count as the list does, from 1. What is None asks for nothing."""

    items: str | None = None
    start: int | None = None
    end: int | None = None
    is_reversed: bool = False
    filters: dict[str, Any] | None = None
    sort_by: str | None = None
    max_downloads: int | None = None
    skips_downloaded: bool = True

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        known = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def plan(self, entries: Sequence[Entry], *, is_truncated: bool) -> list[Entry]:
        """The wanted entries in the order of downloading; `max_downloads` of them at most are to be taken.

        `is_truncated`: the list has more than `entries`. Raises the errors above.
        """
        if is_truncated and not self._is_within(len(entries)):
            raise TooManyError
        named = None if self.items is None else named_by(self.items, len(entries))
        chosen = [entry for entry in entries if self._is_wanted(entry["playlist_index"], named)]
        if entries and not chosen:
            raise NothingError
        asked = self.filters or {}
        ordered_entries = ordered([entry for entry in chosen if passes(entry, asked)], self.sort_by)
        if self.is_reversed:
            ordered_entries.reverse()
        return ordered_entries

    def _is_within(self, known: int) -> bool:
        """Whether all that is asked for lies in what is known of the list."""
        last = min((bound for bound in (self.end, _last_of(self.items)) if bound is not None), default=None)
        return self.max_downloads is not None or (last is not None and last <= known)

    def _is_wanted(self, number: int, named: set[int] | None) -> bool:
        return (named is None or number in named) and (self.start or 1) <= number <= (self.end or number)


def ranges(items: str) -> Iterator[tuple[int, float]]:
    for part in items.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(items)
        first = int(match[1])
        yield first, first if not match[2] else int(match[3]) if match[3] else float("inf")


def named_by(items: str, last: int) -> set[int]:
    """Of the numbers from 1 to `last`, those that `items` names."""
    return {number for first, end in ranges(items) for number in range(first, int(min(end, last)) + 1)}


def is_backwards(items: str) -> bool:
    """Whether a range ends before it begins."""
    return any(last < first for first, last in ranges(items))


def _last_of(items: str | None) -> float | None:
    return None if items is None else max(last for _, last in ranges(items))


def numbers(chosen: Iterable[int]) -> str:
    """The shortest `items` that names `chosen`."""
    parts: list[list[int]] = []
    for number in sorted(set(chosen)):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def passes(entry: Entry, filters: dict[str, Any]) -> bool:
    """What is not known of an entry lets it through no filter that asks for it."""
    return all(_is_within(entry, name, bound) for name, bound in filters.items() if bound is not None)


def ordered(entries: list[Entry], sort_by: str | None) -> list[Entry]:
    """In the site's order without a wish; what does not say comes last."""
    if sort_by is None:
        return entries
    key, is_descending = ORDERS[sort_by]
    known = [entry for entry in entries if key(entry) is not None]
    return sorted(known, key=key, reverse=is_descending) + [entry for entry in entries if key(entry) is None]


def _is_within(entry: Entry, name: str, bound: Any) -> bool:
    field, is_lower = BOUNDS[name]
    value = entry[field]
    if value is None:
        return False
    return bool(value >= bound if is_lower else value <= bound)
