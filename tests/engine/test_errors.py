from __future__ import annotations

import errno
import re
from email.utils import formatdate
from io import BytesIO
from pathlib import Path

import pytest
from yt_dlp.cookies import CookieLoadError
from yt_dlp.networking import Response
from yt_dlp.networking.exceptions import (
    CertificateVerifyError,
    HTTPError,
    IncompleteRead,
    NoSupportingHandlers,
    ProxyError,
    RequestError,
    TransportError,
)
from yt_dlp.utils import (
    ContentTooShortError,
    DownloadCancelled,
    DownloadError,
    EntryNotInPlaylist,
    ExtractorError,
    GeoRestrictedError,
    MaxDownloadsReached,
    PostProcessingError,
    ThrottledDownload,
    UnavailableVideoError,
    UnsupportedError,
    UserNotLive,
)
from yt_dlp.utils._utils import _UnsafeExtensionError

from downloads.engine.classification import MESSAGE_CHARACTERS, retry_after_seconds
from downloads.engine.errors import ERRORS, ErrorCode, JobError, classify

API_CODES = """unsupported_url, url_blocked, domain_not_allowed, not_found, private, removed, geo_restricted,
login_required, bot_check, age_restricted, members_only, drm_protected, live_not_started, rate_limited,
origin_unavailable, network_error, too_slow, timeout, too_large, playlist_too_large, format_unavailable, unsafe_content,
postprocessing_failed, missing_dependency, storage_full, quota_exceeded, cookies_invalid, cookies_gone, worker_lost,
poisoned, extractor_error, cancelled, internal_error"""


def http_error(status: int, *, redirect_loop: bool = False, **headers: str) -> HTTPError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPError(Response(BytesIO(), "http://site.test/", named, status=status), redirect_loop=redirect_loop)


def while_extracting(cause: Exception) -> DownloadError:
    """As YoutubeDL raises what happened on the way to a page."""
    error = ExtractorError(f"Unable to download webpage: {cause}", cause=cause, expected=True)
    return DownloadError(f"ERROR: {error}", (ExtractorError, error, None))


def while_downloading(cause: Exception) -> DownloadError:
    return DownloadError(f"ERROR: unable to download video data: {cause}", (type(cause), cause, None))


def test_knows_the_codes_of_the_api_and_no_others() -> None:
    assert [str(code) for code in ErrorCode] == re.split(r",\s+", API_CODES)
    assert list(ERRORS) == list(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_a_title_and_a_remedy_for_people(code: ErrorCode) -> None:
    kind = ERRORS[code]
    assert kind.title
    assert not kind.title.endswith(".")
    assert kind.remedy.endswith(".")
    assert kind.who in {"user", "operator", "site", "nobody"}


def test_the_documentation_says_what_the_code_says() -> None:
    text = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
    heading = r'<a id="(\w+)"></a>\n\n## (\w+)\n\n(.+)\.\n\n'
    sections = re.findall(heading + r"- Retried: (yes|no)\n- Who can mend it: (\w+)\n- Remedy: (.+)\n", text)
    expected = [
        (str(code), str(code), kind.title, "yes" if kind.is_retryable else "no", kind.who, kind.remedy)
        for code, kind in ERRORS.items()
    ]
    assert sections == expected


def test_an_error_without_a_message_says_its_title() -> None:
    error = JobError(ErrorCode.TOO_SLOW)
    assert error.message == ERRORS[ErrorCode.TOO_SLOW].title
    assert str(error) == f"too_slow: {error.message}"


def test_keeps_an_error_of_ours_however_deep_it_lies() -> None:
    ours = JobError(ErrorCode.UNSAFE_CONTENT, "a page", retry_after=3)
    assert classify(while_downloading(ours)) is ours


@pytest.mark.parametrize(
    ("exception", "code"),
    [
        (UnsupportedError("http://site.test/"), "unsupported_url"),
        (NoSupportingHandlers([], []), "unsupported_url"),
        (RequestError("Invalid redirect"), "unsupported_url"),
        (GeoRestrictedError("no"), "geo_restricted"),
        (UserNotLive(), "live_not_started"),
        (CookieLoadError("failed to load cookies"), "cookies_invalid"),
        (_UnsafeExtensionError("exe"), "unsafe_content"),
        (EntryNotInPlaylist(), "not_found"),
        (ThrottledDownload(), "too_slow"),
        (KeyboardInterrupt(), "cancelled"),
        (DownloadCancelled(), "cancelled"),
        (MaxDownloadsReached(), "cancelled"),
        (CertificateVerifyError("bad"), "origin_unavailable"),
        (ProxyError("Tunnel connection failed: 502 Bad Gateway"), "network_error"),
        (TransportError("reset"), "network_error"),
        (IncompleteRead(3, 5), "network_error"),
        (ContentTooShortError(3, 5), "network_error"),
        (PostProcessingError("something"), "postprocessing_failed"),
        (PostProcessingError("ffmpeg not found. Please install"), "missing_dependency"),
        (PostProcessingError("av_interleaved_write_frame(): No space left on device"), "storage_full"),
        (OSError(errno.ENOSPC, "full"), "storage_full"),
        (OSError(errno.EDQUOT, "full"), "storage_full"),
        (OSError(errno.EFBIG, "large"), "too_large"),
        (ConnectionResetError(errno.ECONNRESET, "gone"), "network_error"),
        (TimeoutError("timed out"), "network_error"),
        (PermissionError(errno.EACCES, "no"), "internal_error"),
        (MemoryError(), "too_large"),
        (ExtractorError("unexpected"), "extractor_error"),
        (ZeroDivisionError("oops"), "internal_error"),
        (UnavailableVideoError(OSError(errno.ENOSPC, "full")), "internal_error"),
    ],
)
def test_tells_failures_by_their_class(exception: BaseException, code: str) -> None:
    assert classify(exception).code == code


def test_finds_the_cause_behind_a_download_error() -> None:
    assert classify(while_downloading(OSError(errno.ENOSPC, "full"))).code == "storage_full"
    assert classify(while_extracting(TransportError("refused"))).code == "network_error"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "extractor_error"),
        (401, "login_required"),
        (402, "members_only"),
        (403, "login_required"),
        (404, "not_found"),
        (408, "network_error"),
        (410, "removed"),
        (425, "origin_unavailable"),
        (429, "rate_limited"),
        (451, "geo_restricted"),
        (500, "origin_unavailable"),
        (503, "origin_unavailable"),
    ],
)
def test_tells_answers_by_their_status(status: int, code: str) -> None:
    assert classify(while_extracting(http_error(status))).code == code


def test_a_redirect_without_end_is_a_fault_of_the_site() -> None:
    assert classify(while_extracting(http_error(302, redirect_loop=True))).code == "origin_unavailable"


def test_a_refused_media_address_has_expired_and_a_new_attempt_gets_a_fresh_one() -> None:
    assert classify(while_downloading(http_error(403))).code == "origin_unavailable"


def test_a_challenge_is_a_check_for_robots() -> None:
    assert classify(while_extracting(http_error(403, cf_mitigated="challenge"))).code == "bot_check"


@pytest.mark.parametrize("status", [429, 503])
def test_passes_on_how_long_the_site_wants_us_to_wait(status: int) -> None:
    assert classify(while_extracting(http_error(status, Retry_After="120"))).retry_after == 120


def test_an_origin_that_is_unavailable_for_now_asks_for_patience_also_without_a_time() -> None:
    assert [classify(while_extracting(http_error(status))).retry_after for status in (500, 503)] == [None, 0]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            "403 url_blocked private",
            "url_blocked",
            "The URL leads to an address that this server must not reach (private)",
        ),
        ("403 url_blocked domain_blocked", "domain_not_allowed", ERRORS[ErrorCode.DOMAIN_NOT_ALLOWED].title),
        ("502 egress_failed dns", "network_error", "The host name cannot be resolved"),
        ("504 egress_failed timeout", "network_error", "The connection to the site failed (timeout)"),
    ],
)
def test_repeats_what_the_guard_says(words: str, code: str, message: str) -> None:
    status, _, reason = words.partition(" ")
    answered = HTTPError(Response(BytesIO(), "http://site.test/", {}, status=int(status), reason=reason))
    for told in (
        classify(while_extracting(answered)),
        classify(while_downloading(answered)),
        classify(while_extracting(ProxyError(f"Tunnel connection failed: {words}"))),
    ):
        assert (told.code, told.message) == (code, message)


def test_hears_the_guard_by_its_headers_or_by_a_bare_refusal_too() -> None:
    assert classify(while_extracting(http_error(403, X_Egress_Denied="private"))).code == "url_blocked"
    assert classify(while_extracting(http_error(502, X_Egress_Failed="dns"))).code == "network_error"
    refused = ProxyError("Failed to perform, curl: (7) CONNECT tunnel failed, response 403")
    assert classify(while_extracting(refused)).code == "url_blocked"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("999999999", 86_400.0),
        (formatdate(1_000_060, usegmt=True), 60.0),
        (formatdate(999_000, usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_reads_retry_after_as_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, now=1_000_000) == seconds


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("Sign in to confirm you\u2019re not a bot. Use --cookies-from-browser", "bot_check"),
        ("Got HTTP Error 403 caused by Cloudflare anti-bot challenge; try again with", "bot_check"),
        ("Private video. Sign in if you've been granted access to this video", "private"),
        ("This video is private", "private"),
        ("This video has been removed by the uploader", "removed"),
        ("This video is no longer available because the YouTube account has been terminated", "removed"),
        ("Sign in to confirm your age. This video may be inappropriate for some users", "age_restricted"),
        ("This video is age-restricted and only available on YouTube", "age_restricted"),
        ("Join this channel to get access to members-only content like this video", "members_only"),
        ("This video is only available for premium users", "members_only"),
        ("This video requires a subscription", "members_only"),
        ("You need to purchase the course to download this episode", "members_only"),
        ("This video is DRM protected", "drm_protected"),
        ("The requested site is known to use DRM protection", "drm_protected"),
        ("This live event will begin in 3 hours.", "live_not_started"),
        ("Premieres in 2 days", "live_not_started"),
        ("The channel is not currently live", "live_not_started"),
        ("The uploader has not made this video available in your country", "geo_restricted"),
        ("This video is not available from your location due to geo restriction", "geo_restricted"),
        ("This song is blocked in this region", "geo_restricted"),
        ("This video is only available for registered users. Use --username", "login_required"),
        ("You need to log in to access this content", "login_required"),
        ("Fresh cookies (not necessarily logged in) are needed", "login_required"),
        ("Too Many Requests", "rate_limited"),
        ("The current session has been rate-limited by YouTube", "rate_limited"),
        ("Requested format is not available", "format_unavailable"),
        ("No video formats found!", "format_unavailable"),
        ("Video unavailable", "not_found"),
        ("This video does not exist", "not_found"),
        ("'abc' is not a valid URL", "unsupported_url"),
        ("The provided YouTube account cookies are no longer valid", "cookies_invalid"),
        ("'c.txt' does not look like a Netscape format cookies file", "cookies_invalid"),
        ("You have requested merging of multiple formats but ffmpeg is not installed", "missing_dependency"),
        ("ffprobe and ffmpeg not found. Please install", "missing_dependency"),
        ('Impersonate target "chrome" is not available', "missing_dependency"),
        ("Service temporarily unavailable", "origin_unavailable"),
        ("[download] Got error: 27174 bytes read, 1000 more expected. Giving up after 3 retries", "network_error"),
        ("fragment 3 not found, unable to continue", "network_error"),
        ("ERROR: ffmpeg exited with code 1: Server returned 404 Not Found", "not_found"),
        ("ERROR: ffmpeg exited with code 1: HTTP error 403 Forbidden", "login_required"),
        ("ERROR: ffmpeg exited with code 1: Invalid data found when processing input", "postprocessing_failed"),
        ("Unable to extract title", "extractor_error"),
    ],
)  # fmt: skip
def test_tells_what_extractors_say_by_their_words(words: str, code: str) -> None:
    assert classify(DownloadError(words, (ExtractorError, ExtractorError(words), None))).code == code


def test_what_an_extractor_concludes_outweighs_the_answer_that_made_it_do_so() -> None:
    concluded = GeoRestrictedError("not here")
    concluded.__context__ = http_error(403)
    assert classify(concluded).code == "geo_restricted"
    said = ExtractorError("This video is private", expected=True)
    said.__context__ = http_error(404)
    assert classify(said).code == "private"
    unclear = ExtractorError("No luck", expected=True)
    unclear.__context__ = http_error(404)
    assert classify(unclear).code == "not_found"


def test_a_missing_javascript_runtime_hides_behind_other_errors() -> None:
    warning = "[youtube] No supported JavaScript runtime could be found. Only deno is enabled by default"
    error = ExtractorError("Requested format is not available", expected=True)
    assert classify(error, [warning]).code == "missing_dependency"
    assert classify(error, ["something else"]).code == "format_unavailable"
    assert classify(GeoRestrictedError("no"), [warning]).code == "geo_restricted"


def test_stale_cookies_hide_behind_a_request_to_sign_in() -> None:
    warning = "The provided YouTube account cookies are no longer valid."
    assert classify(ExtractorError("Sign in to confirm you're not a bot"), [warning]).code == "cookies_invalid"


def test_the_message_is_for_people_and_without_secrets() -> None:
    error = ExtractorError(
        "Unable to download https://u:p@site.test/watch?token=secret. Use --cookies for the authentication. "
        "See  https://github.com/yt-dlp/yt-dlp/wiki for help",
        video_id="abc",
        ie="youtube",
    )
    assert classify(error).message == "Unable to download https://site.test/watch?…"


def test_the_message_has_a_limit() -> None:
    assert len(classify(ExtractorError("x" * 5000)).message) == MESSAGE_CHARACTERS


def test_a_chain_that_bites_its_tail_comes_to_an_end() -> None:
    error = ValueError("round")
    error.__cause__ = error
    assert classify(error).code == "internal_error"
