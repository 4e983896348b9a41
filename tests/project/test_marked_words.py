"""No template says anything to people that a translator could not find."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.project.tree import ROOT, shown

# The API's own pages speak to programmers.
ENGLISH = {"api"}
TEMPLATES = sorted(
    path
    for path in (ROOT / "templates").rglob("*.html")
    if path.relative_to(ROOT / "templates").parts[0] not in ENGLISH
)
SAID_IN_ATTRIBUTES = {"alt", "aria-label", "placeholder", "title"}
# Not words, or the same in every language.
NAMES = {"mediadl", "UTC", "SHA", "yt-dlp", "webhook-id", "https"}
NOT_FOR_READING = {"pre", "code", "kbd", "script"}
_TEMPLATE = re.compile(r"{% blocktranslate.*?{% endblocktranslate %}|{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
_TAG = re.compile(r"(</?){{ heading.*?}}")
_WORD = re.compile(r"[A-Za-z]{2,}(?:-[A-Za-z]+)*")


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.said += [value for name, value in attrs if value and name in SAID_IN_ATTRIBUTES]
        if tag in NOT_FOR_READING:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in NOT_FOR_READING:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.said.append(data)


@pytest.mark.parametrize("path", TEMPLATES, ids=shown)
def test_marks_its_words(path: Path) -> None:
    reader = Reader()
    reader.feed(_TEMPLATE.sub("", _TAG.sub(r"\1h2", path.read_text())))
    bare = [text.strip() for text in reader.said if set(_WORD.findall(text)) - NAMES]
    assert not bare, 'Put these into {% translate "…" %} or {% blocktranslate trimmed %} (docs/development.md).'
