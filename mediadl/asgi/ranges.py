"""RFC 9110's conditional requests (section 13) and byte ranges (section 14) as one pure decision.

Several ranges are joined into one where they touch or overlap; where they do not, the whole is sent, which the RFC
allows and every client understands. `multipart/byteranges` is not spoken.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RANGES = 16

ENTITY_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
RANGE = re.compile(r"([0-9]*)-([0-9]*)")

Span = tuple[int, int]  # first byte, byte after the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to answer: bytes `start` to `start + length` with 200 or 206, none with 304, 412 or 416."""

    status: int
    start: int = 0
    length: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()


def decide(
    *, method: str, request: Mapping[str, str], size: int, etag: str | None = None, last_modified: str | None = None
) -> Decision:
    """`request` has lower-case names. `etag` and `last_modified` are the headers of the file as it is now."""
    status = _precondition(request, etag, last_modified)
    if status is not None:
        return Decision(status=status)
    if method == "GET" and _range_applies(request, etag, last_modified):
        return _ranged(request["range"], size)
    return _whole(size)


def _whole(size: int) -> Decision:
    headers = ((b"accept-ranges", b"bytes"), (b"content-length", b"%d" % size))
    return Decision(status=200, length=size, headers=headers)


def _ranged(value: str, size: int) -> Decision:
    spans = parse_range(value, size)
    if spans is None:
        return _whole(size)
    if not spans:
        return Decision(status=416, headers=((b"accept-ranges", b"bytes"), (b"content-range", b"bytes */%d" % size)))
    spans = coalesce(spans)
    return _part(spans[0], size) if len(spans) == 1 else _whole(size)


def _part(span: Span, size: int) -> Decision:
    start, end = span
    headers = (
        (b"accept-ranges", b"bytes"),
        (b"content-length", b"%d" % (end - start)),
        (b"content-range", b"bytes %d-%d/%d" % (start, end - 1, size)),
    )
    return Decision(status=206, start=start, length=end - start, headers=headers)


def parse_range(value: str, size: int) -> list[Span] | None:
    """The satisfiable spans in the order asked for ([]: none is), or None when the header is to be ignored.

    Ignored are other units, bad syntax, more than MAX_RANGES, and any range of an empty file: its only honest
    answer would be 416 to a client that merely wanted to bound the answer.
    """
    unit, equals, text = value.partition("=")
    if not equals or unit.strip().lower() != "bytes" or size == 0:
        return None
    specifiers = [part for part in (part.strip(" \t") for part in text.split(",")) if part]
    if not 0 < len(specifiers) <= MAX_RANGES:
        return None
    try:
        spans = [_span(specifier, size) for specifier in specifiers]
    except ValueError:
        return None
    return [span for span in spans if span is not None]


def _span(specifier: str, size: int) -> Span | None:
    """None is an unsatisfiable range; ValueError a malformed one."""
    match = RANGE.fullmatch(specifier)
    if match is None or specifier == "-":
        raise ValueError(specifier)
    first, last = match.groups()
    if not first:
        return (max(0, size - _number(last)), size) if _number(last) else None
    if last and _number(last) < _number(first):
        raise ValueError(specifier)
    end = min(size, _number(last) + 1) if last else size
    return (_number(first), end) if _number(first) < size else None


def _number(digits: str) -> int:
    """Python refuses to read thousands of digits, and no file is that long."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) < len(str(sys.maxsize)) else sys.maxsize


def coalesce(spans: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _precondition(request: Mapping[str, str], etag: str | None, last_modified: str | None) -> int | None:
    """The status that ends the request, in the order of RFC 9110, 13.2.2; None lets it go on."""
    modified = _date(last_modified)
    if "if-match" in request:
        if not _is_listed(request["if-match"], etag, is_weak_enough=False):
            return 412
    elif modified and (limit := _date(request.get("if-unmodified-since"))) and modified > limit:
        return 412
    if "if-none-match" in request:
        return 304 if _is_listed(request["if-none-match"], etag, is_weak_enough=True) else None
    since = _date(request.get("if-modified-since"))
    return 304 if modified and since and modified <= since else None


def _range_applies(request: Mapping[str, str], etag: str | None, last_modified: str | None) -> bool:
    """If-Range holds for an equal strong tag, or for exactly the date that was given out."""
    if "range" not in request:
        return False
    validator = request.get("if-range", "").strip()
    if "if-range" not in request:
        return True
    if '"' in validator:
        return _is_strong(etag) and validator == etag
    asked, modified = _date(validator), _date(last_modified)
    return asked is not None and asked == modified


def _is_strong(etag: str | None) -> bool:
    return etag is not None and not etag.startswith("W/")


def _is_listed(value: str, etag: str | None, *, is_weak_enough: bool) -> bool:
    if value.strip() == "*":
        return True
    if etag is None or not (is_weak_enough or _is_strong(etag)):
        return False
    opaque = etag.removeprefix("W/")
    return any(tag == opaque and (is_weak_enough or not weak) for weak, tag in ENTITY_TAG.findall(value))


def _date(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value) if value else None
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
