"""Documents lead where they say, and the changelog has a place for what comes next."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.project.tree import ROOT, files, shown

DOCUMENTS = [path for path in files() if path.suffix == ".md"]
# Made from the running product; until there are some, pictures may be missing.
SCREENSHOTS = ROOT / "docs" / "screenshots"
RECORDS = sorted((ROOT / "docs" / "adr").glob("*.md"))

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def links(document: Path) -> list[tuple[Path, str]]:
    """(file, anchor) of each link that leads to another part of the project."""
    prose = CODE.sub("", document.read_text())
    targets = [target for target in LINK.findall(prose) if not re.match(r"[a-z]+:", target)]
    pairs = [unquote(target).partition("#") for target in targets]
    return [((document.parent / path).resolve() if path else document, anchor) for path, _, anchor in pairs]


def anchors(document: Path) -> set[str]:
    """As they are made of headings: lower case, words joined by hyphens, no other signs."""
    headings = HEADING.findall(CODE.sub("", document.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_relative_links_lead_to_files_and_headings(document: Path) -> None:
    broken = [
        f"{target.name}#{anchor}"
        for target, anchor in links(document)
        if not is_there(target) or (anchor and anchor not in anchors(target))
    ]
    assert broken == []


def is_there(target: Path) -> bool:
    return target.exists() or (target.parent == SCREENSHOTS and not SCREENSHOTS.exists())


def test_every_document_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md", ROOT / "docs" / "index.md"]
    while waiting:
        document = waiting.pop()
        if document not in reached:
            reached.add(document)
            waiting += [target for target, _ in links(document) if target.suffix == ".md" and target.exists()]
    assert [shown(path) for path in DOCUMENTS if path not in reached and (ROOT / "docs") in path.parents] == []


def test_decisions_are_numbered_once() -> None:
    numbers = [path.name[:4] for path in RECORDS]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("record", RECORDS, ids=shown)
def test_a_decision_says_what_it_costs(record: Path) -> None:
    text = record.read_text()
    assert text.startswith(f"# {record.name[:4]}: ")
    parts = re.findall(r"^(?:## |\*\*)(\w+)", text, re.MULTILINE)
    assert {"Context", "Decision", "Cost"} <= set(parts)
    assert len(text.split()) < 600, "a page at most"


def test_the_changelog_begins_with_what_is_not_released() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0] == "Unreleased"
