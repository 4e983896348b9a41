"""Which sites the yt-dlp in use knows, read as text from the list that it brings along: no web process imports it.

yt-dlp has an extractor for each kind of page, in a module for each site. Their hosts are only in regular expressions;
those that are written out in them are found, which most are.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from downloads import ytdlp_versions

LIST = "yt_dlp/extractor/lazy_extractors.py"
FOR_ADULTS = 18
# Reads whatever page it is given, and no site of its own.
GENERIC = frozenset({"generic", "genericembeds", "commonmistakes", "commonprotocols", "testurl", "unsupported"})
_CLASS = re.compile(r"class \w+\(")
_FACT = re.compile(r"    (_module|IE_NAME|IE_DESC|_VALID_URL|_WORKING|_ENABLED|age_limit) = (.+)")
# After "//", or a group, but no part of a path.
_HOST = re.compile(r"(?<![\w\\-])(?<![^/]/)[a-z0-9-]+(?:\\\.[a-z0-9-]+)*\\\.[a-z]{2,}(?![\w-]|\\[.-])")
_NO_HOST = re.compile(r"-|(?:com?|org|net|edu|gov)\.[a-z]{2}$|.*\.(?:onion|html?|php|aspx?|json|swf|jsp|vod|m3u8|mp4)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`kinds` are yt-dlp's names of what it can read there, each with what it says of it, if anything."""

    name: str
    hosts: tuple[str, ...] = ()
    kinds: tuple[tuple[str, str], ...] = ()
    is_broken: bool = False
    is_for_adults: bool = False
    words: str = field(default="", repr=False)


def known() -> tuple[Site, ...]:
    """In the order of their names; nothing where yt-dlp has no list."""
    path = _list_path()
    try:
        changed_at = path.stat().st_mtime_ns
    except OSError:
        return ()
    return _read(path, changed_at)


def matching(text: str) -> list[Site]:
    """Those that have all the words somewhere, those of that very name or host first. A link is as good as its host.

    Without any words, all but those for adults.
    """
    words = text.lower().split()
    if not words:
        return [site for site in known() if not site.is_for_adults]
    found = [site for site in known() if all(_has(site, word) for word in words)]
    return sorted(found, key=lambda site: not {site.name.lower(), *site.hosts} & set(words))


def _has(site: Site, word: str) -> bool:
    if "://" not in word:
        return word in site.words
    host = f".{word.partition('://')[2].partition('/')[0]}"
    return any(host.endswith(f".{known_host}") for known_host in site.hosts)


def _list_path() -> Path:
    if chosen := ytdlp_versions.directory():
        return chosen / LIST
    return Path(str(importlib.metadata.distribution("yt-dlp").locate_file(LIST)))


@functools.lru_cache(maxsize=1)
def _read(path: Path, changed_at: int) -> tuple[Site, ...]:  # noqa: ARG001 - what has changed is read anew
    by_module: dict[str, list[dict[str, Any]]] = {}
    with path.open(encoding="utf-8") as lines:
        for facts in _extractors(lines):
            by_module.setdefault(facts["_module"].rpartition(".")[2], []).append(facts)
    sites = [_site(extractors) for module, extractors in by_module.items() if module not in GENERIC]
    return tuple(sorted(sites, key=lambda site: site.name.lower()))


def _extractors(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Of each class that takes links and is not switched off: what is written in it."""
    facts: dict[str, Any] = {}
    for line in (*lines, "class _("):
        if _CLASS.match(line):
            if facts.get("_VALID_URL") and facts.get("_module") and facts.get("_ENABLED", True):
                yield facts
            facts = {}
        elif fact := _FACT.match(line):
            facts.setdefault(fact[1], ast.literal_eval(fact[2]))


def _site(extractors: list[dict[str, Any]]) -> Site:
    kinds = sorted({(str(facts["IE_NAME"]), str(facts.get("IE_DESC") or "")) for facts in extractors})
    # "youtube" and not "youtube:playlist".
    name = min((kind for kind, _ in kinds), key=lambda kind: (":" in kind, len(kind))).partition(":")[0]
    found = {host for facts in extractors for host in _hosts(facts["_VALID_URL"])}
    hosts = sorted(found, key=lambda host: (name.lower() not in host, len(host), host))
    return Site(
        name=name,
        hosts=tuple(hosts),
        kinds=tuple(kinds),
        is_broken=all(facts.get("_WORKING") is False for facts in extractors),
        is_for_adults=any(facts.get("age_limit", 0) >= FOR_ADULTS for facts in extractors),
        words=" ".join([*(f"{kind} {said}" for kind, said in kinds), *hosts]).lower(),
    )


def _hosts(patterns: str | list[str] | tuple[str, ...]) -> set[str]:
    each = [patterns] if isinstance(patterns, str) else patterns
    found = {host.replace("\\", "").removeprefix("www.") for pattern in each for host in _HOST.findall(pattern)}
    return {host for host in found if not _NO_HOST.match(host)}
