"""The text that browsers' cookies are exported as, read strictly and written in one form. Pure.

yt-dlp only ever reads what `write` has written: its own reader skips lines that it does not understand and prints
them, values and all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext

MAX_BYTES = 256 * 1024
MAX_COOKIES = 2000
MAX_ERRORS = 10
MAX_NAME_CHARACTERS = 256
MAX_HOST_CHARACTERS = 253
# Browsers keep no larger cookies.
MAX_VALUE_CHARACTERS = 4096
COLUMNS = 7
HEADER = "# Netscape HTTP Cookie File"
# The end of the year 9999: some sites mean "never" by an even later one.
LATEST = 253_402_300_799

_HTTP_ONLY = "#HttpOnly_"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBERS = re.compile(r"[0-9.]+")
_PATH = re.compile(r"/[\x21-\x3a\x3c-\x7e]*")
_NAME = re.compile(r"[\x21-\x3a\x3c\x3e-\x7e]+")
_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_EXPIRY = re.compile(r"([0-9]{1,20})(?:\.[0-9]{1,9})?")
_FLAGS = {"TRUE": True, "FALSE": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """`domain` has no leading dot; `expires` is seconds since the epoch, None for the length of a session."""

    domain: str
    has_subdomains: bool
    path: str
    is_secure: bool
    expires: int | None
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """`line` counts from 1; None is the text as a whole. Nothing of the text is repeated."""

    line: int | None
    message: str

    def __str__(self) -> str:
        if self.line is None:
            return self.message
        return gettext("Line {line}: {what}").format(line=self.line, what=self.message)


class NetscapeError(ValueError):
    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(complaints)[:MAX_ERRORS]
        super().__init__(" ".join(map(str, self.complaints)))


class _LineError(Exception):
    pass


def decode(content: bytes) -> str:
    """Raises NetscapeError for what is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise NetscapeError([Complaint(line=line, message=gettext("this is not UTF-8 text."))]) from None


def parse(text: str) -> list[Cookie]:
    """Raises NetscapeError, with a complaint for each bad line up to MAX_ERRORS."""
    _check_whole(text)
    cookies: list[Cookie] = []
    complaints: list[Complaint] = []
    for number, line in _lines(text):
        try:
            cookies.append(_cookie(line))
        except _LineError as error:
            complaints.append(Complaint(line=number, message=str(error)))
        if len(complaints) >= MAX_ERRORS or len(cookies) > MAX_COOKIES:
            break
    if complaints:
        raise NetscapeError(complaints)
    if len(cookies) > MAX_COOKIES:
        _refuse(
            gettext("There are more than {count} cookies. Export those of one site only.").format(count=MAX_COOKIES)
        )
    if not cookies:
        _refuse(gettext("There are no cookies in this text."))
    return cookies


def write(cookies: Iterable[Cookie]) -> str:
    """`parse` of it gives the same cookies again."""
    return "".join(f"{line}\n" for line in (HEADER, "", *map(_written, cookies)))


def domains_of(cookies: Iterable[Cookie]) -> list[str]:
    return sorted({cookie.domain for cookie in cookies})


def last_expiry(cookies: Iterable[Cookie]) -> int | None:
    """When the last of them ends; None when one lasts for a session, whose end nobody knows."""
    latest = 0
    for cookie in cookies:
        if cookie.expires is None:
            return None
        latest = max(latest, cookie.expires)
    return latest


def _refuse(message: str) -> None:
    raise NetscapeError([Complaint(line=None, message=message)])


def _check_whole(text: str) -> None:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        said = gettext("The text has more than {count} KiB. Export the cookies of one site only.")
        _refuse(said.format(count=MAX_BYTES // 1024))
    if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}:
        _refuse(gettext("This is JSON. Export the cookies in Netscape format, as a cookies.txt."))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Only what a line feed ends is a line: other readers see line ends in more places, and cookies in between."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        content = line.removesuffix("\r").removeprefix(_HTTP_ONLY)
        is_comment = content.startswith("#") and not _CONTROL.search(content)
        if content.strip(" \t") and not is_comment:
            yield number, content


def _cookie(line: str) -> Cookie:
    if _CONTROL.search(line):
        raise _LineError(gettext("it has a control character."))
    columns = line.split("\t")
    if len(columns) != COLUMNS:
        raise _LineError(_miscounted(columns))
    domain, subdomains, path, secure, expires, name, value = columns
    host, has_subdomains = _domain(domain, _flag(subdomains, gettext("the second column is neither TRUE nor FALSE.")))
    return Cookie(
        domain=host,
        has_subdomains=has_subdomains,
        path=_matching(_PATH, path, gettext("the third column is no path that begins with /.")),
        is_secure=_flag(secure, gettext("the fourth column is neither TRUE nor FALSE.")),
        expires=_expiry(expires),
        name=_name(name),
        value=_value(value),
    )


def _miscounted(columns: list[str]) -> str:
    if len(columns) == 1:
        said = gettext(
            "there are no tabs. {wanted} columns are separated by tabs, which copying may have turned into spaces."
        )
        return said.format(wanted=COLUMNS)
    said = gettext("it has {count} columns and not {wanted}, separated by tabs.")
    return said.format(count=len(columns), wanted=COLUMNS)


def _domain(text: str, has_subdomains: bool) -> tuple[str, bool]:  # noqa: FBT001 - a column of the line
    host = text.lower().removeprefix(".")
    if len(host) > MAX_HOST_CHARACTERS or not _HOST.fullmatch(host):
        raise _LineError(gettext("the first column is no domain."))
    if text.startswith(".") and not has_subdomains:
        raise _LineError(
            gettext("the domain begins with a dot, for all hosts below it, and the second column says FALSE.")
        )
    if has_subdomains and ("." not in host or _NUMBERS.fullmatch(host)):
        raise _LineError(gettext("no cookie is for all hosts below a top-level domain or an address."))
    return host, has_subdomains


def _flag(text: str, complaint: str) -> bool:
    if text.upper() not in _FLAGS:
        raise _LineError(complaint)
    return _FLAGS[text.upper()]


def _expiry(text: str) -> int | None:
    match = _EXPIRY.fullmatch(text)
    if text and match is None:
        raise _LineError(gettext("the fifth column is no time in seconds since 1970."))
    seconds = int(match[1]) if match else 0
    return min(seconds, LATEST) or None


def _matching(pattern: re.Pattern[str], text: str, complaint: str) -> str:
    if not pattern.fullmatch(text):
        raise _LineError(complaint)
    return text


def _name(text: str) -> str:
    _matching(_NAME, text, gettext("the sixth column is no cookie's name."))
    return _short(text, MAX_NAME_CHARACTERS, gettext("the name is longer than {count} characters."))


def _value(text: str) -> str:
    _matching(_VALUE, text, gettext("the value has a character that cookies do not."))
    return _short(text, MAX_VALUE_CHARACTERS, gettext("the value is longer than {count} characters."))


def _short(text: str, limit: int, complaint: str) -> str:
    if len(text) > limit:
        raise _LineError(complaint.format(count=limit))
    return text


def _written(cookie: Cookie) -> str:
    """As Python's own reader insists on it: a leading dot exactly where the second column says TRUE."""
    columns = (
        f".{cookie.domain}" if cookie.has_subdomains else cookie.domain,
        "TRUE" if cookie.has_subdomains else "FALSE",
        cookie.path,
        "TRUE" if cookie.is_secure else "FALSE",
        str(cookie.expires or 0),
        cookie.name,
        cookie.value,
    )
    return "\t".join(columns)
