"""HTTP/1 heads as the guard needs them: strict from clients, tolerant from origins. Pure: bytes in, values out.

Whatever two parsers could read in two ways is refused from a client; heads are always written anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from downloads.engine.guard_bodies import Body, Chunked, Length, MessageError, UntilClose

Field = tuple[bytes, bytes]

_REQUEST_LINE = re.compile(rb"([A-Za-z]{1,32}) ([^\x00-\x20\x7f]+) HTTP/1\.([01])")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,18}")

# Of one connection only (RFC 9110 7.6.1), or written by us.
_DROPPED = frozenset(
    b"connection keep-alive te trailer transfer-encoding upgrade host content-length".split()
    + b"x-egress-denied x-egress-failed".split()  # ours: an origin must not speak for the guard
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    target: bytes
    minor: int
    fields: tuple[Field, ...]
    body: Body

    @property
    def wants_close(self) -> bool:
        return self.minor == 0 or b"close" in _tokens(self.fields, b"connection", b"proxy-connection")

    def serialized(self, authority: bytes, path: bytes) -> bytes:
        """For the origin: hop-by-hop fields gone, Host that of the URL, framing written anew."""
        lines = [b"%s %s HTTP/1.%d" % (self.method.encode("ascii"), path, self.minor), b"Host: " + authority]
        lines += _forwarded(self.fields)
        lines += _framing_of(self.fields)
        if self.wants_close:
            lines.append(b"Connection: close")
        return _head(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    status: int
    reason: bytes
    minor: int
    fields: tuple[Field, ...]
    body: Body

    @property
    def is_interim(self) -> bool:
        return self.status < HTTPStatus.OK

    @property
    def keeps_alive(self) -> bool:
        """Whether the origin's connection serves another request after this body."""
        is_odd = all(_values(self.fields, name) for name in (b"content-length", b"transfer-encoding"))
        closes = self.minor == 0 or b"close" in _tokens(self.fields, b"connection")
        return not (closes or is_odd or self.body.ends_with_connection)

    def serialized(self, *, closes: bool) -> bytes:
        lines = [b"HTTP/1.1 %d %s" % (self.status, self.reason)]
        lines += _forwarded(self.fields)
        lines += _framing_of(self.fields)
        if closes and not self.is_interim:
            lines.append(b"Connection: close")
        return _head(lines)


def parse_request(head: bytes) -> Request:
    """Of a head that ends in an empty line; one before it is forgiven. Raises MessageError."""
    first, *rest = head.removeprefix(b"\r\n").removesuffix(b"\r\n\r\n").split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise MessageError("request line")
    fields = tuple(_strict_field(text) for text in rest)
    minor = int(line[3])
    _check_host(fields, minor)
    return Request(
        method=line[1].decode("ascii"), target=line[2], minor=minor, fields=fields, body=_request_body(fields, minor)
    )


def parse_response(head: bytes, method: str) -> Response:
    """Of a head that ends in an empty line. Lines may end in a bare LF and be folded, and what is no field is dropped.

    Raises MessageError.
    """
    unfolded = re.sub(rb"\r?\n[ \t]+", b" ", head)
    first, *rest = unfolded.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    line = _STATUS_LINE.fullmatch(first)
    if line is None:
        raise MessageError("status line")
    fields = tuple(field for field in map(_field, rest) if field is not None)
    status = int(line[2])
    return Response(
        status=status,
        reason=line[3] or b"",
        minor=int(line[1]),
        fields=fields,
        body=_response_body(fields, status, method),
    )


def _strict_field(line: bytes) -> Field:
    field = _field(line)
    if field is None:
        raise MessageError("header field")
    return field


def _field(line: bytes) -> Field | None:
    match = _FIELD.fullmatch(line)
    return None if match is None else (match[1], match[2].strip(b" \t"))


def _check_host(fields: Sequence[Field], minor: int) -> None:
    hosts = _values(fields, b"host")
    if len(hosts) > 1 or (minor == 1 and not hosts):
        raise MessageError("Host")


def _request_body(fields: Sequence[Field], minor: int) -> Body:
    codings, lengths = _values(fields, b"transfer-encoding"), _values(fields, b"content-length")
    if not codings:
        return Length(_length(lengths)) if lengths else Length(0)
    if lengths or minor == 0 or [coding.lower() for coding in codings] != [b"chunked"]:
        raise MessageError("framing")
    return Chunked(is_strict=True)


def _response_body(fields: Sequence[Field], status: int, method: str) -> Body:
    if method == "HEAD" or status < HTTPStatus.OK or status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        return Length(0)
    codings = [coding.lower() for coding in _values(fields, b"transfer-encoding")]
    if codings not in ([], [b"chunked"], [b"identity"]):
        raise MessageError("framing")
    if codings == [b"chunked"]:
        return Chunked(is_strict=False)
    lengths = sorted(set(_values(fields, b"content-length")))  # a repeated field that agrees is harmless
    return Length(_length(lengths)) if lengths else UntilClose()


def _length(values: Sequence[bytes]) -> int:
    if len(values) != 1 or not _LENGTH.fullmatch(values[0]):
        raise MessageError("Content-Length")
    return int(values[0])


def _framing_of(fields: Sequence[Field]) -> list[bytes]:
    if [value.lower() for value in _values(fields, b"transfer-encoding")] == [b"chunked"]:
        return [b"Transfer-Encoding: chunked"]
    return [b"Content-Length: " + value for value in _values(fields, b"content-length")[:1]]


def _forwarded(fields: Sequence[Field]) -> list[bytes]:
    dropped = _DROPPED | _tokens(fields, b"connection")
    return [b"%s: %s" % (name, value) for name, value in fields if not _is_dropped(name.lower(), dropped)]


def _is_dropped(name: bytes, dropped: frozenset[bytes]) -> bool:
    return name in dropped or name.startswith(b"proxy-")


def _tokens(fields: Sequence[Field], *names: bytes) -> frozenset[bytes]:
    values = (value for name in names for value in _values(fields, name))
    return frozenset(token.strip().lower() for value in values for token in value.split(b","))


def _values(fields: Sequence[Field], name: bytes) -> list[bytes]:
    return [value for found, value in fields if found.lower() == name]


def _head(lines: Sequence[bytes]) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"
