"""A dry run: what a download would take, and whether it would be allowed, from what a probe of its page has found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from django.utils.translation import gettext

from accounts.principal import Principal
from downloads import addresses, quotas, submission
from downloads.api.problem import Problem
from downloads.engine import choices
from downloads.engine.errors import ERRORS, ErrorCode
from downloads.engine.spec import DownloadOptions

ABOUT = ("title", "duration", "thumbnail", "uploader", "extractor")
OPTION_NAMES = tuple(item.name for item in fields(DownloadOptions))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`retry_after_sec`: when time will have mended it; None when it may never."""

    code: str
    message: str
    retry_after_sec: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What would be fetched; `is_available` is False where it would be the next best, or nothing."""

    format: str | None
    parts: list[Mapping[str, Any]]
    size_bytes: int | None
    is_available: bool


def refused_by_policy(wanted: Mapping[str, Any]) -> list[Reason]:
    """Why the page may not even be looked at."""
    try:
        submission.check_policy(addresses.parse(wanted["url"]))
    except Problem as problem:
        return [Reason(code=problem.code, message=problem.detail)]
    return []


def estimate(principal: Principal, wanted: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """`wanted` is a valid request for a download, `found` what a probe of its page has found."""
    options = submission.options_of(wanted)
    whole = found["metadata"]["duration"]
    seconds = _clipped(whole, options)
    chosen = choice(wanted, found)
    size = chosen.size_bytes
    reasons = [*_of_the_media(chosen, size, options), *_of_the_quota(principal, size)]
    return {
        "url": wanted["url"],
        **{name: found["metadata"][name] for name in ABOUT},
        "duration": seconds,
        "format": chosen.format,
        "formats": [{name: value for name, value in part.items() if name != "streams"} for part in chosen.parts],
        "size_bytes": size,
        "available": chosen.is_available,
        "presets": [
            {**preset, "size_bytes": _of_the_clip(preset["size_bytes"], whole, seconds)} for preset in found["presets"]
        ],
        **verdict(reasons),
    }


def choice(wanted: Mapping[str, Any], found: dict[str, Any]) -> Choice:
    """Of a clip, its own size."""
    options, whole = submission.options_of(wanted), found["metadata"]["duration"]
    chosen = _choice(options, found)
    return replace(chosen, size_bytes=_of_the_clip(chosen.size_bytes, whole, _clipped(whole, options)))


def refusal(wanted: Mapping[str, Any], reasons: list[Reason]) -> dict[str, Any]:
    nothing = dict.fromkeys((*ABOUT, "format", "size_bytes"))
    return {"url": wanted["url"], **nothing, "formats": [], "available": False, "presets": [], **verdict(reasons)}


def verdict(reasons: list[Reason]) -> dict[str, Any]:
    return {"allowed": not reasons, "reasons": [asdict(reason) for reason in reasons]}


def _choice(options: Mapping[str, Any], found: dict[str, Any]) -> Choice:
    if options["custom_format"]:
        parts = choices.by_ids(options["custom_format"], found["items"])
        name = "+".join(part["format_id"] for part in parts) or None
        size = choices.size(parts, found["metadata"]["duration"])
        return Choice(format=name, parts=parts, size_bytes=size, is_available=bool(parts))
    key = choices.key(DownloadOptions(**{name: options[name] for name in OPTION_NAMES}))
    chosen = found.get("choices", {}).get(key) or _preset(key, found)
    return Choice(
        format=chosen["format"],
        parts=choices.by_ids(chosen["format"] or "", found["items"]),
        size_bytes=chosen["size_bytes"],
        is_available=chosen["available"],
    )


def _preset(key: str, found: dict[str, Any]) -> dict[str, Any]:
    """Of a probe from before an upgrade, which chose for the usual containers alone."""
    quality = key.partition("/")[0]
    return next(dict(preset) for preset in found["presets"] if preset["quality"] == quality)


def _clipped(whole: float | None, options: Mapping[str, Any]) -> float | None:
    if whole is None:
        return None
    start, end = options["clip_start_sec"] or 0, options["clip_end_sec"]
    return max(0.0, min(whole, whole if end is None else end) - start)


def _of_the_clip(size: int | None, whole: float | None, seconds: float | None) -> int | None:
    """As if every second were as large as the others."""
    if size is None or not whole or seconds is None or seconds == whole:
        return size
    return round(size * seconds / whole)


def _of_the_media(choice: Choice, size: int | None, options: Mapping[str, Any]) -> Iterator[Reason]:
    if choice.format is None:
        yield _reason(ErrorCode.FORMAT_UNAVAILABLE)
    if size and size > options["max_size_bytes"]:
        message = gettext("{size} bytes are more than the limit of {limit}.").format(
            size=size, limit=options["max_size_bytes"]
        )
        yield Reason(code=str(ErrorCode.TOO_LARGE), message=message)


def _of_the_quota(principal: Principal, size: int | None) -> Iterator[Reason]:
    for said in quotas.refusals(principal.user, principal.key, added_bytes=size or 0):
        yield Reason(code=str(ErrorCode.QUOTA_EXCEEDED), message=said.message, retry_after_sec=said.retry_seconds)


def _reason(code: ErrorCode) -> Reason:
    return Reason(code=str(code), message=f"{gettext(ERRORS[code].title)}. {gettext(ERRORS[code].remedy)}")
