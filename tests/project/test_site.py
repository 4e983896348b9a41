"""The documentation site: each document has a place in it; `make docs` builds it and follows its links."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import yaml

from tests.project.tree import ROOT

DOCS = ROOT / "docs"
SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
# Brought in from the root while the site is built.
OF_THE_ROOT = {"start.md", "security.md", "changelog.md", "licence.md"}


def places(nav: list[Any] | dict[str, Any] | str) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from places(part)


def test_every_document_has_one_place_in_the_site() -> None:
    found = list(places(SITE["nav"]))
    assert len(found) == len(set(found))
    assert set(found) == {path.name for path in DOCS.glob("*.md")} | OF_THE_ROOT


def test_a_link_that_leads_nowhere_fails_the_site() -> None:
    links = SITE["validation"]["links"]
    assert {links[kind] for kind in ("not_found", "anchors", "absolute_links", "unrecognized_links")} == {"warn"}
    assert "mkdocs build --strict" in (ROOT / "Makefile").read_text()


def test_libraries_that_packages_bring_along_are_named() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    names = re.findall(r"^([\w.-]+?)(?:\[.+?\])?==", lock, re.MULTILINE)
    brought = [file for name in names for file in files_of(name) if ".libs" in file.parent.name]
    stems = {re.split(r"[-.]", file.name)[0] for file in brought}
    assert len(stems) > 5
    words = set(re.findall(r"\w+", (DOCS / "licences.md").read_text()))
    assert stems - words == set()


def files_of(name: str) -> list[metadata.PackagePath]:
    """None, where another Python alone needs it."""
    try:
        return metadata.files(name) or []
    except metadata.PackageNotFoundError:
        return []


def test_the_image_has_the_document_of_licences() -> None:
    assert "!docs/licences.md" in (ROOT / ".dockerignore").read_text().split()


def test_the_licences_of_what_is_shipped_are_those_that_are_listed() -> None:
    check = [sys.executable, str(ROOT / "ops" / "documents" / "licences.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 0, "make sbom writes docs/licences.md again"
