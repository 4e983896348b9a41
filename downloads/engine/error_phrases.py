"""The words by which yt-dlp, its extractors and ffmpeg tell what went wrong, where no class or status does.

Regular expressions, matched without regard to case. The first code that has one in a message decides.
"""

from __future__ import annotations

from downloads.engine.errors import ErrorCode

PHRASES: dict[ErrorCode, tuple[str, ...]] = {
    ErrorCode.STORAGE_FULL: ("no space left on device", "disk quota exceeded", "read-only file system"),
    ErrorCode.DRM_PROTECTED: (r"\bdrm\b",),
    ErrorCode.MISSING_DEPENDENCY: (
        r"(?:ffmpeg|ffprobe)\b.{0,40}(?:not found|not installed|could not be found)",
        "no supported javascript runtime",
        "impersonate target .{0,80}not available",
        "requires? (?:browser )?impersonation",
        "unknown encoder",
        "encoder not found",
    ),
    ErrorCode.COOKIES_INVALID: ("cookies are no longer valid", "netscape format cookies file"),
    ErrorCode.BOT_CHECK: (
        r"not a (?:ro)?bot\b",
        "captcha",
        "anti-?bot",
        "unusual traffic",
        "verify (?:that )?you are (?:a )?human",
        "client challenge",
    ),
    ErrorCode.RATE_LIMITED: ("rate.?limit", "too many requests", "http error 429"),
    ErrorCode.LIVE_NOT_STARTED: (
        r"(?:live|premiere|event|stream|broadcast)\w*\b.{0,60}(?:will (?:begin|start)|not (?:yet )?started)",
        "premieres (?:in|on|at)",
        "not currently live",
        "is not live",
        "is (?:currently )?offline",
        "upcoming",
    ),
    ErrorCode.AGE_RESTRICTED: (
        "age.?(?:restrict|gate|verif)",
        "(?:confirm|verify) your age",
        "inappropriate for some users",
    ),
    ErrorCode.MEMBERS_ONLY: (
        "members?.?only",
        r"\b(?:for|to)\b.{0,40}\b(?:members|subscribers|patrons|premium)\b",
        "join this channel",
        r"requires? (?:an? )?(?:\w+ )?(?:subscription|payment|purchase|membership)",
        "premium (?:video|content|account|user|member)",
        r"\bpurchase\b",
        "not subscribed",
        "appropriate subscription",
        "paywall",
    ),
    ErrorCode.GEO_RESTRICTED: (
        "geo.?(?:restrict|block)",
        "in (?:your|this) (?:country|region|location)",
        "from your (?:country|region|location)",
        "only available in ",
    ),
    ErrorCode.PRIVATE: (r"\bprivate\b",),
    ErrorCode.LOGIN_REQUIRED: (
        r"\blog(?:ged)?.?in\b",
        r"\bsign(?:ed)?.?in\b",
        "registered users",
        "--cookies",
        "account credentials",
        "authenticat",
        "cookies .{0,40}needed",
        "http error 40[13]",
    ),
    ErrorCode.REMOVED: (
        "(?:been|was|is|were) (?:removed|deleted|taken down|terminated)",
        "removed by",
        "no longer (?:available|exists)",
        "(?:has|is) expired",
        "has ended",
        "http error 410",
    ),
    ErrorCode.FORMAT_UNAVAILABLE: (
        "requested format is not available",
        "no video formats found",
        "only images are available",
        "requested formats are incompatible",
        "cannot be partially downloaded",
    ),
    ErrorCode.UNSUPPORTED_URL: ("unsupported url", "not a valid url", "no suitable extractor", "invalid url"),
    ErrorCode.NOT_FOUND: (
        "http error 404",
        "(?:404|page|file|video|media|content|episode|track|post|user|channel|playlist) not found",
        "not exist",
        "(?:video|content|media|track|episode|post) (?:is )?(?:currently )?(?:unavailable|not available)",
        "no (?:video|media)s? (?:(?:was|were) )?found",
    ),
    ErrorCode.ORIGIN_UNAVAILABLE: (
        r"http error 5\d\d",
        "temporarily unavailable",
        "internal server error",
        "server returned 5xx",
    ),
    ErrorCode.NETWORK_ERROR: (
        "timed out",
        "connection (?:reset|refused|aborted|closed)",
        "unable to communicate",
        "failed to resolve",
        "did not get any data",
        "downloaded file is empty",
        r"fragment \d+ not found",
        "content too short",
        r"\d+ bytes read",
        "giving up after",
    ),
    ErrorCode.POSTPROCESSING_FAILED: ("invalid data found", "ffmpeg exited", "conversion failed"),
    # What a page or manifest says is nonsense, which Python finds where yt-dlp does not look.
    ErrorCode.EXTRACTOR_ERROR: ("incorrect aes key length", "'idna' codec failed"),
}
