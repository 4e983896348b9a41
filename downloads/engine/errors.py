"""Why a job fails: the stable codes of the API, what each means, and who can mend it.

`classify` turns whatever an attempt raised into one of them; its rules are in classification.py.
docs/errors.md shows `ERRORS` to people, and a test keeps the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from downloads.engine.marking import gettext_noop

Who = Literal["user", "operator", "site", "nobody"]


class ErrorCode(StrEnum):
    UNSUPPORTED_URL = "unsupported_url"
    URL_BLOCKED = "url_blocked"
    DOMAIN_NOT_ALLOWED = "domain_not_allowed"
    NOT_FOUND = "not_found"
    PRIVATE = "private"
    REMOVED = "removed"
    GEO_RESTRICTED = "geo_restricted"
    LOGIN_REQUIRED = "login_required"
    BOT_CHECK = "bot_check"
    AGE_RESTRICTED = "age_restricted"
    MEMBERS_ONLY = "members_only"
    DRM_PROTECTED = "drm_protected"
    LIVE_NOT_STARTED = "live_not_started"
    RATE_LIMITED = "rate_limited"
    ORIGIN_UNAVAILABLE = "origin_unavailable"
    NETWORK_ERROR = "network_error"
    TOO_SLOW = "too_slow"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    PLAYLIST_TOO_LARGE = "playlist_too_large"
    FORMAT_UNAVAILABLE = "format_unavailable"
    UNSAFE_CONTENT = "unsafe_content"
    POSTPROCESSING_FAILED = "postprocessing_failed"
    MISSING_DEPENDENCY = "missing_dependency"
    STORAGE_FULL = "storage_full"
    QUOTA_EXCEEDED = "quota_exceeded"
    COOKIES_INVALID = "cookies_invalid"
    COOKIES_GONE = "cookies_gone"
    WORKER_LOST = "worker_lost"
    POISONED = "poisoned"
    EXTRACTOR_ERROR = "extractor_error"
    CANCELLED = "cancelled"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorKind:
    """`is_retryable`: the service tries again by itself, because time alone may mend it."""

    title: str
    is_retryable: bool
    who: Who
    remedy: str


class JobError(Exception):
    """An attempt's failure in the API's terms.

    `retry_after`: seconds that the site asked us to wait; 0 when it asked for patience and did not say how long.
    """

    def __init__(self, code: ErrorCode, message: str = "", *, retry_after: float | None = None) -> None:
        self.code = code
        self.message = message or ERRORS[code].title
        self.retry_after = retry_after
        super().__init__(f"{code}: {self.message}")


def classify(exception: BaseException, warnings: Iterable[str] = ()) -> JobError:
    """`warnings`: what yt-dlp said before; some of its errors hide a cause that only a warning names."""
    from downloads.engine.classification import classify as by_rules  # noqa: PLC0415 -- it loads yt_dlp

    return by_rules(exception, warnings)


ERRORS: dict[ErrorCode, ErrorKind] = {
    ErrorCode.UNSUPPORTED_URL: ErrorKind(
        title=gettext_noop("No media can be read from this URL"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop(
            "Check that the URL opens a page with a video or audio. If it does, the site is not supported."
        ),
    ),
    ErrorCode.URL_BLOCKED: ErrorKind(
        title=gettext_noop("The URL leads to an address that this server must not reach"),
        is_retryable=False,
        who="operator",
        remedy=gettext_noop(
            "Private and special addresses and unusual ports are refused. An operator can allow a range or "
            "host with EGRESS_ALLOW, a port with EGRESS_PORTS."
        ),
    ),
    ErrorCode.DOMAIN_NOT_ALLOWED: ErrorKind(
        title=gettext_noop("The operator does not allow this site"),
        is_retryable=False,
        who="operator",
        remedy=gettext_noop("Ask the operator: ALLOWED_DOMAINS and BLOCKED_DOMAINS say which sites may be used."),
    ),
    ErrorCode.NOT_FOUND: ErrorKind(
        title=gettext_noop("There is no such page or media"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop("Open the URL in a browser and correct it. A playlist item may have moved."),
    ),
    ErrorCode.PRIVATE: ErrorKind(
        title=gettext_noop("The media is private"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop("Ask its owner for access, then add the cookies of an account that may see it."),
    ),
    ErrorCode.REMOVED: ErrorKind(
        title=gettext_noop("The media has been removed"),
        is_retryable=False,
        who="nobody",
        remedy=gettext_noop("It is gone from the site. Look for another copy."),
    ),
    ErrorCode.GEO_RESTRICTED: ErrorKind(
        title=gettext_noop("The media is not offered in this server's country"),
        is_retryable=False,
        who="operator",
        remedy=gettext_noop("It can only be downloaded by a server in a country where the site offers it."),
    ),
    ErrorCode.LOGIN_REQUIRED: ErrorKind(
        title=gettext_noop("The site wants a signed-in visitor"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop(
            "Sign in to the site with a browser, export its cookies, add them here and retry with them."
        ),
    ),
    ErrorCode.BOT_CHECK: ErrorKind(
        title=gettext_noop("The site wants proof that no robot is asking"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop(
            "Add fresh cookies from a browser in which you passed the check, and retry later. "
            "The site may distrust this server's address."
        ),
    ),
    ErrorCode.AGE_RESTRICTED: ErrorKind(
        title=gettext_noop("The media is restricted by age"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop("Add the cookies of an account whose age the site has confirmed."),
    ),
    ErrorCode.MEMBERS_ONLY: ErrorKind(
        title=gettext_noop("The media is for members or paying customers"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop("Add the cookies of an account that is a member or has paid."),
    ),
    ErrorCode.DRM_PROTECTED: ErrorKind(
        title=gettext_noop("The media is protected by DRM"),
        is_retryable=False,
        who="nobody",
        remedy=gettext_noop("Protected media cannot be downloaded. The site's own app is the only way to watch it."),
    ),
    ErrorCode.LIVE_NOT_STARTED: ErrorKind(
        title=gettext_noop("The live stream or premiere has not started"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop("Submit it again with start_after set to a time when it is on or over."),
    ),
    ErrorCode.RATE_LIMITED: ErrorKind(
        title=gettext_noop("The site asks for fewer requests"),
        is_retryable=True,
        who="site",
        remedy=gettext_noop(
            "The job is tried again when the site's waiting time is over. Fewer parallel jobs for this site, "
            "or cookies, help."
        ),
    ),
    ErrorCode.ORIGIN_UNAVAILABLE: ErrorKind(
        title=gettext_noop("The site has a fault or refuses to answer now"),
        is_retryable=True,
        who="site",
        remedy=gettext_noop(
            "The job is tried again by itself. If it goes on, check whether the site works in a browser."
        ),
    ),
    ErrorCode.NETWORK_ERROR: ErrorKind(
        title=gettext_noop("The connection to the site failed"),
        is_retryable=True,
        who="site",
        remedy=gettext_noop(
            "The job is tried again and continues where it stopped. Check the host name if it never connects."
        ),
    ),
    ErrorCode.TOO_SLOW: ErrorKind(
        title=gettext_noop("The site sends too slowly, or has stopped sending"),
        is_retryable=True,
        who="site",
        remedy=gettext_noop(
            "The job is tried again and continues where it stopped. The bounds are PROGRESS_TIMEOUT_SEC "
            "and MIN_SPEED_BYTES."
        ),
    ),
    ErrorCode.TIMEOUT: ErrorKind(
        title=gettext_noop("The job took longer than its time limit"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop(
            "Retry with a larger timeout_sec; the download continues where it stopped. A live stream that "
            "goes on never ends by itself."
        ),
    ),
    ErrorCode.TOO_LARGE: ErrorKind(
        title=gettext_noop("The media is larger than the size limit"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop(
            "Choose a lower quality, a clip or audio only, or raise max_size_bytes. "
            "The operator's own limit is MAX_FILE_SIZE_BYTES."
        ),
    ),
    ErrorCode.PLAYLIST_TOO_LARGE: ErrorKind(
        title=gettext_noop("The playlist has more items than are allowed"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop("Select fewer items. The operator's limit is MAX_PLAYLIST_ITEMS."),
    ),
    ErrorCode.FORMAT_UNAVAILABLE: ErrorKind(
        title=gettext_noop("The chosen format or part is not offered"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop(
            "Choose another quality or a format id that /formats lists; for a clip, times within the media."
        ),
    ),
    ErrorCode.UNSAFE_CONTENT: ErrorKind(
        title=gettext_noop("The content is not the media it claims to be"),
        is_retryable=False,
        who="site",
        remedy=gettext_noop(
            "The site sent a page, playlist, program or archive in place of media. It is not kept. "
            "Check the URL; it may lead to an error page."
        ),
    ),
    ErrorCode.POSTPROCESSING_FAILED: ErrorKind(
        title=gettext_noop("The media arrived but could not be processed"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop(
            "Retry with another container or without embedding. The job's log has ffmpeg's last words."
        ),
    ),
    ErrorCode.MISSING_DEPENDENCY: ErrorKind(
        title=gettext_noop("The server lacks a program that this needs"),
        is_retryable=False,
        who="operator",
        remedy=gettext_noop(
            "Run manage.py doctor: it says whether ffmpeg, ffprobe or the JavaScript runtime is missing, "
            "and how to install it."
        ),
    ),
    ErrorCode.STORAGE_FULL: ErrorKind(
        title=gettext_noop("The server's disk is full"),
        is_retryable=True,
        who="operator",
        remedy=gettext_noop(
            "The job is tried again when there is room. Delete files, lower the retention or add space."
        ),
    ),
    ErrorCode.QUOTA_EXCEEDED: ErrorKind(
        title=gettext_noop("Your quota is used up"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop(
            "Delete files or wait for them to expire, or ask the operator for a larger quota. /me shows the usage."
        ),
    ),
    ErrorCode.COOKIES_INVALID: ErrorKind(
        title=gettext_noop("The site does not accept these cookies any more"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop("Sign in again with a browser, export the cookies and replace the stored ones."),
    ),
    ErrorCode.COOKIES_GONE: ErrorKind(
        title=gettext_noop("The cookies of this job have been deleted or have expired"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop("Store the cookies again and submit the job with their new id."),
    ),
    ErrorCode.WORKER_LOST: ErrorKind(
        title=gettext_noop("The worker that ran the job is gone"),
        is_retryable=True,
        who="nobody",
        remedy=gettext_noop("Nothing to do: the job is taken up by another worker within a minute."),
    ),
    ErrorCode.POISONED: ErrorKind(
        title=gettext_noop("The job crashed its worker several times"),
        is_retryable=False,
        who="operator",
        remedy=gettext_noop("Look at the job's log and the worker's memory limit before retrying it."),
    ),
    ErrorCode.EXTRACTOR_ERROR: ErrorKind(
        title=gettext_noop("The site's page could not be understood"),
        is_retryable=False,
        who="operator",
        remedy=gettext_noop(
            "The site may have changed. Update yt-dlp and retry; if that does not help, report it to yt-dlp."
        ),
    ),
    ErrorCode.CANCELLED: ErrorKind(
        title=gettext_noop("The job was cancelled"),
        is_retryable=False,
        who="user",
        remedy=gettext_noop("Retry it if this was a mistake."),
    ),
    ErrorCode.INTERNAL_ERROR: ErrorKind(
        title=gettext_noop("Something failed inside this service"),
        is_retryable=True,
        who="operator",
        remedy=gettext_noop(
            "The job is tried again. If it fails again, the worker's log has the details under the job's id."
        ),
    ),
}

# What a code means that another version has stored, and this one does not know.
UNKNOWN = ErrorKind(
    title=gettext_noop("It failed for a reason that only another version knows"),
    is_retryable=False,
    who="operator",
    remedy=gettext_noop("Try again. If it fails once more, the message and the log say more about it."),
)


def kind_of(code: str) -> ErrorKind | None:
    """Of a code that is stored, whichever version has stored it; None of none."""
    if not code:
        return None
    return ERRORS[ErrorCode(code)] if code in ERRORS else UNKNOWN


def known(code: str) -> ErrorCode:
    """A code that is stored, as this version would store it."""
    return ErrorCode(code) if code in ERRORS else ErrorCode.INTERNAL_ERROR
