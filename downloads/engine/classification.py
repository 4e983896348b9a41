"""The rules that turn an exception of yt-dlp, of its network or of the system into a `JobError`.

By class first, then by HTTP status, then by well-known words: yt-dlp's extractors mostly raise one class with a
sentence for people. Only code that already holds such an exception calls this, so yt_dlp is loaded by then.
"""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from traceback import walk_tb

from yt_dlp.cookies import CookieLoadError
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    HTTPError,
    NoSupportingHandlers,
    RequestError,
    TransportError,
    UnsupportedRequest,
)
from yt_dlp.utils import (
    ContentTooShortError,
    DownloadCancelled,
    EntryNotInPlaylist,
    ExtractorError,
    GeoRestrictedError,
    PostProcessingError,
    ThrottledDownload,
    UnsupportedError,
    UserNotLive,
)
from yt_dlp.utils._utils import _UnsafeExtensionError

from downloads.engine.error_phrases import PHRASES
from downloads.engine.errors import ERRORS, ErrorCode, JobError
from downloads.engine.redaction import redact

MESSAGE_CHARACTERS = 500
MAX_RETRY_AFTER_SECONDS = 86_400.0
_MAX_CHAIN = 20

_STATUS_CODES = {
    401: ErrorCode.LOGIN_REQUIRED,
    402: ErrorCode.MEMBERS_ONLY,
    403: ErrorCode.LOGIN_REQUIRED,
    404: ErrorCode.NOT_FOUND,
    408: ErrorCode.NETWORK_ERROR,
    410: ErrorCode.REMOVED,
    425: ErrorCode.ORIGIN_UNAVAILABLE,
    429: ErrorCode.RATE_LIMITED,
    451: ErrorCode.GEO_RESTRICTED,
}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_NONSENSE = (ValueError, LookupError, TypeError, AttributeError)

_WORD_RULES = tuple((code, re.compile("|".join(words), re.IGNORECASE)) for code, words in PHRASES.items())

# A warning that explains one of these errors better than the error's own text.
_HIDING = {ErrorCode.FORMAT_UNAVAILABLE, ErrorCode.NOT_FOUND, ErrorCode.EXTRACTOR_ERROR, ErrorCode.DRM_PROTECTED}
_RUNTIME_WARNING = re.compile(r"(?i)no supported javascript runtime")
_COOKIE_WARNING = re.compile(r"(?i)cookies are no longer valid")

_GUARD = re.compile(r"\b(url_blocked|egress_failed) (\w+)")
_CONNECT_REFUSED = re.compile(r"CONNECT tunnel failed, response 403")

# yt-dlp's prefixes, and its advice for its own command line.
_NOISE_PATTERNS = (
    r"^(?:error|warning):\s*",
    r"^\[[\w:+-]+\] (?:[^\s:]+: )?",
    r";?\s*please report this issue on .*$",
    r"\s*\(caused by .*\)",
    r"\.?\s*use --(?:list-\w+|cookies|username)\b.*$",
    r"\.?\s*(?:also )?see +https?://github\.com/yt-dlp\S* .*$",
)
_NOISE = re.compile("|".join(_NOISE_PATTERNS), re.IGNORECASE | re.DOTALL)


def classify(exception: BaseException, warnings: Iterable[str] = ()) -> JobError:
    chain = list(_causes(exception))
    for cause in chain:
        if isinstance(cause, JobError):
            return cause
    if verdict := _by_guard(chain):
        return verdict
    code, retry_after = _spoken(chain), None
    if code is None:
        code, retry_after = _by_class(chain)
    if code is None or code is ErrorCode.EXTRACTOR_ERROR:
        code = _by_words(chain) or code
    if code is None:
        return _by_place(chain[-1]) or JobError(ErrorCode.INTERNAL_ERROR, _message(chain))
    return JobError(_unhide(code, list(warnings)), _message(chain), retry_after=retry_after)


def refusal(exception: BaseException) -> JobError | None:
    """The guard's no, which will be the same however often it is asked for."""
    verdict = _by_guard(list(_causes(exception)))
    return verdict if verdict and not ERRORS[verdict.code].is_retryable else None


def _by_guard(chain: list[BaseException]) -> JobError | None:
    found = next((match for cause in chain if (match := _GUARD.search(_guard_words(cause)))), None)
    if found is None:
        return None
    verdict, reason = found[1], found[2].replace("_", " ")
    if verdict == "egress_failed":
        known = {"dns": "The host name cannot be resolved"}
        otherwise = f"{ERRORS[ErrorCode.NETWORK_ERROR].title} ({reason})"
        return JobError(ErrorCode.NETWORK_ERROR, known.get(reason, otherwise))
    if reason == "domain blocked":
        return JobError(ErrorCode.DOMAIN_NOT_ALLOWED)
    return JobError(ErrorCode.URL_BLOCKED, f"{ERRORS[ErrorCode.URL_BLOCKED].title} ({reason})")


def _guard_words(cause: BaseException) -> str:
    """The guard says its verdict in a header and in the reason phrase; of a refused CONNECT some show only a status."""
    if isinstance(cause, HTTPError):
        headers = cause.response.headers
        denied, failed = headers.get("X-Egress-Denied"), headers.get("X-Egress-Failed")
        return f"url_blocked {denied}" if denied else f"egress_failed {failed}" if failed else str(cause)
    return _CONNECT_REFUSED.sub("url_blocked proxy", str(cause))


def _spoken(chain: list[BaseException]) -> ErrorCode | None:
    """What an extractor concluded by itself outweighs the answer from which it concluded."""
    error = next((cause for cause in chain if isinstance(cause, ExtractorError)), None)
    if error is None or error.cause is not None:
        return None
    code = _class_code(error)
    return _by_words([error]) if code is ErrorCode.EXTRACTOR_ERROR else code


def _causes(exception: BaseException) -> Iterator[BaseException]:
    """The exception and all that led to it, outermost first; yt-dlp keeps causes in attributes of its own."""
    waiting: list[object] = [exception]
    seen: list[BaseException] = []
    while waiting and len(seen) < _MAX_CHAIN:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or any(current is known for known in seen):
            continue
        seen.append(current)
        exc_info = getattr(current, "exc_info", None)
        waiting += [
            exc_info[1] if isinstance(exc_info, tuple) else None,
            getattr(current, "cause", None),
            getattr(current, "reason", None),
            current.__cause__,
            current.__context__,
        ]
        yield current


def _by_class(chain: list[BaseException]) -> tuple[ErrorCode | None, float | None]:
    for cause in chain:
        if isinstance(cause, HTTPError):
            return _by_status(cause, is_download=not any(isinstance(other, ExtractorError) for other in chain))
    codes = [code for cause in chain if (code := _class_code(cause))]
    precise = [code for code in codes if code is not ErrorCode.EXTRACTOR_ERROR]
    return next(iter([*precise, *codes]), None), None


def _by_status(error: HTTPError, *, is_download: bool) -> tuple[ErrorCode, float | None]:
    headers = error.response.headers
    if error.redirect_loop or error.status >= 500:  # noqa: PLR2004
        patience = 0.0 if error.status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return ErrorCode.ORIGIN_UNAVAILABLE, retry_after_seconds(headers.get("Retry-After")) or patience
    if error.status == 429:  # noqa: PLR2004
        return ErrorCode.RATE_LIMITED, retry_after_seconds(headers.get("Retry-After"))
    if error.status == 403 and is_download:  # noqa: PLR2004
        # Media addresses expire within minutes on large sites; a new attempt extracts a fresh one.
        return ErrorCode.ORIGIN_UNAVAILABLE, None
    if error.status == 403 and headers.get("cf-mitigated"):  # noqa: PLR2004
        return ErrorCode.BOT_CHECK, None
    return _STATUS_CODES.get(error.status, ErrorCode.EXTRACTOR_ERROR), None


def _class_code(cause: BaseException) -> ErrorCode | None:  # noqa: C901, PLR0911, PLR0912 -- a table of classes
    match cause:
        case UnsupportedError() | UnsupportedRequest() | NoSupportingHandlers():
            return ErrorCode.UNSUPPORTED_URL
        case GeoRestrictedError():
            return ErrorCode.GEO_RESTRICTED
        case UserNotLive():
            return ErrorCode.LIVE_NOT_STARTED
        case CookieLoadError():
            return ErrorCode.COOKIES_INVALID
        case _UnsafeExtensionError():
            return ErrorCode.UNSAFE_CONTENT
        case EntryNotInPlaylist():
            return ErrorCode.NOT_FOUND
        case ThrottledDownload():
            return ErrorCode.TOO_SLOW
        case KeyboardInterrupt() | DownloadCancelled():
            return ErrorCode.CANCELLED
        case CertificateVerifyError():
            return ErrorCode.ORIGIN_UNAVAILABLE
        case TransportError() | ContentTooShortError():
            return ErrorCode.NETWORK_ERROR
        case RequestError():  # none of its kinds above: the address that a page or a redirect names is none
            return ErrorCode.UNSUPPORTED_URL
        case PostProcessingError():
            return _by_words([cause]) or ErrorCode.POSTPROCESSING_FAILED
        case OSError():
            return _system_code(cause)
        case MemoryError():
            return ErrorCode.TOO_LARGE
        case ExtractorError():
            return ErrorCode.EXTRACTOR_ERROR
    return None


def _system_code(error: OSError) -> ErrorCode | None:
    if error.errno in _NO_ROOM:
        return ErrorCode.STORAGE_FULL
    if error.errno == errno.EFBIG:
        return ErrorCode.TOO_LARGE
    if isinstance(error, ConnectionError | TimeoutError):
        return ErrorCode.NETWORK_ERROR
    return None


def _by_words(chain: list[BaseException]) -> ErrorCode | None:
    text = "\n".join(str(cause) for cause in chain)
    return next((code for code, pattern in _WORD_RULES if pattern.search(text)), None)


def _by_place(error: BaseException) -> JobError | None:
    """What a page or a manifest says is nonsense, which Python finds where yt-dlp does not look."""
    packages = [frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in walk_tb(error.__traceback__)]
    theirs_or_ours = [package for package in packages if package in {"yt_dlp", "downloads"}]
    if not isinstance(error, _NONSENSE) or theirs_or_ours[-1:] != ["yt_dlp"]:
        return None
    title = ERRORS[ErrorCode.EXTRACTOR_ERROR].title
    return JobError(ErrorCode.EXTRACTOR_ERROR, f"{title} ({type(error).__name__}: {_message([error])})")


def _unhide(code: ErrorCode, warnings: list[str]) -> ErrorCode:
    if code in _HIDING and any(_RUNTIME_WARNING.search(warning) for warning in warnings):
        return ErrorCode.MISSING_DEPENDENCY
    if code in {ErrorCode.LOGIN_REQUIRED, ErrorCode.BOT_CHECK} and any(map(_COOKIE_WARNING.search, warnings)):
        return ErrorCode.COOKIES_INVALID
    return code


def retry_after_seconds(value: str | None, *, now: float | None = None) -> float | None:
    """RFC 9110's Retry-After: seconds or a date; None for anything else."""
    if not value:
        return None
    try:
        seconds = (
            float(value) if value.strip().isdigit() else _seconds_until(value, time.time() if now is None else now)
        )
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


def _seconds_until(date: str, now: float) -> float:
    return parsedate_to_datetime(date).timestamp() - now


def _message(chain: list[BaseException]) -> str:
    """The outermost words, without yt-dlp's advice for its command line."""
    text = redact(next(filter(None, (str(cause).strip() for cause in chain)), ""))
    previous = None
    while text != previous:
        previous, text = text, _NOISE.sub("", text).strip()
    return text[:MESSAGE_CHARACTERS]
