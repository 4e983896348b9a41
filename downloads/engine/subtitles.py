"""Which of the offered subtitles answer to the languages that were asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def choose(wanted: Sequence[str], offered: Iterable[str]) -> list[str]:
    """The code itself, else one variant of it: `en` finds `en-GB` where there is no plain `en`, never all of them."""
    codes = sorted(offered)
    chosen = (_best(language.lower(), codes) for language in wanted)
    return list(dict.fromkeys(code for code in chosen if code is not None))


def _best(language: str, codes: list[str]) -> str | None:
    exact = [code for code in codes if code.lower() == language]
    spoken = [code for code in codes if code.lower() == f"{language}-orig"]
    variants = [code for code in codes if code.lower().startswith(f"{language}-")]
    return next(iter([*exact, *spoken, *variants]), None)
