"""Each catalogue of locale/ has all that the source marks, and nothing of it is half done."""

from __future__ import annotations

import re
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.utils import translation

from tests.project import messages
from tests.project.tree import ROOT, shown

CATALOGUES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/django.po"))
ADVICE = "Run `make messages`, then fill in locale/*/LC_MESSAGES/django.po and run it again (docs/development.md)."
# What a translation must have, too: names that are filled in, and HTML.
KEPT = re.compile(r"%\(\w+\)s|%%|\{\w*(?::[^}]*)?\}|</?[a-z][^>]*>|&\w+;")

each_catalogue = pytest.mark.parametrize("path", CATALOGUES, ids=shown)


def catalogue(path: Path) -> polib.POFile:
    return polib.pofile(str(path))


def test_each_language_but_the_sources_has_a_catalogue() -> None:
    languages = {code for code, _ in settings.LANGUAGES} - {settings.LANGUAGE_CODE}
    assert {translation.to_language(path.parent.parent.name) for path in CATALOGUES} == languages


@each_catalogue
def test_has_exactly_what_the_source_marks(path: Path) -> None:
    known = {
        messages.Message(words=entry.msgid, context=entry.msgctxt or "", plural=entry.msgid_plural)
        for entry in catalogue(path)
        if not entry.obsolete
    }
    marked = messages.of_source()
    assert (marked - known, known - marked) == (set(), set()), ADVICE


@each_catalogue
def test_is_complete(path: Path) -> None:
    unfinished = [entry.msgid for entry in catalogue(path) if entry.fuzzy or entry.obsolete or not entry.translated()]
    assert not unfinished, ADVICE


@each_catalogue
def test_keeps_what_is_filled_in_and_the_html(path: Path) -> None:
    for entry in catalogue(path):
        for said in entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]:
            assert sorted(KEPT.findall(said)) == sorted(KEPT.findall(entry.msgid)), entry.msgid
            assert not set('"<>') & set(KEPT.sub("", said)), f"These would end an attribute or begin a tag: {said}"


@each_catalogue
def test_is_compiled_as_it_is_written(path: Path) -> None:
    compiled = polib.mofile(str(path.with_suffix(".mo")))
    assert {_said(entry) for entry in compiled} == {_said(entry) for entry in catalogue(path)}, ADVICE


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
def test_names_itself_in_its_own_words(language: str) -> None:
    names = dict(settings.LANGUAGES)
    assert translation.get_language_info(language)["name_local"] == names[language]


def _said(entry: polib.POEntry | polib.MOEntry) -> tuple[str, str, str, str, tuple[str, ...]]:
    plurals = tuple(entry.msgstr_plural[number] for number in sorted(entry.msgstr_plural))
    return entry.msgctxt or "", entry.msgid, entry.msgid_plural or "", entry.msgstr, plurals
