from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloads.names import display_name, safe, template_error

pytestmark = pytest.mark.promise("S4")

FACTS = {"id": "abc", "title": "A title", "uploader": "Somebody", "upload_date": "20260101", "playlist_index": 7}


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("videos/{safe_title}-{id}.{ext}", "A title-abc.mp4"),
        ("{title}.{ext}", "A title.mp4"),
        ("{playlist_index:03d}-{title}.{ext}", "007-A title.mp4"),
        ("{playlist_index}.{ext}", "7.mp4"),
        ("{uploader}/{upload_date}-{title}", "20260101-A title.mp4"),
        ("{playlist}.{ext}", "NA.mp4"),
        ("plain", "plain.mp4"),
    ],
)
def test_a_template_shapes_the_name(template: str, shown: str) -> None:
    assert template_error(template) is None
    assert display_name(template, FACTS, "mp4") == shown


def test_a_random_part_differs_each_time() -> None:
    assert display_name("{random}.{ext}", FACTS, "mp4") != display_name("{random}.{ext}", FACTS, "mp4")


@pytest.mark.parametrize(
    "template",
    [
        "{unknown}.{ext}",
        "{title",
        "title}",
        "{title:03d}",
        "{title!r}",
        "{title.__class__}",
        "{0}",
        "{}",
        "../{title}",
        "a/../b",
        "/etc/{title}",
        "a\\b",
        "a\0b",
        "%(title)s{",
    ],
)
def test_a_template_outside_the_grammar_is_refused(template: str) -> None:
    assert template_error(template)


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a/b\\c:d", "a_b_c_d"),
        ("\u202egpj.exe", "gpj.exe"),
        ("line\nbreak\ttab", "line break tab"),
        ("nul\0byte", "nulbyte"),
        ("...", "_"),
        ("", "_"),
        ("CON", "_CON"),
        ("Lpt1.txt", "_Lpt1.txt"),
        ("e\u0301", "é"),
        ("{title}", "{title}"),
    ],
)
def test_hostile_titles_become_harmless(title: str, shown: str) -> None:
    assert safe(title) == shown


@settings(max_examples=2000, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=400))
def test_no_title_leaves_its_directory_or_carries_control_characters(title: str) -> None:
    name = display_name("{title}.{ext}", {"title": title}, "mp4")

    assert len(name.encode()) <= 200
    assert name.endswith(".mp4")
    assert not set(name) & set('/\\:*?"<>|\0')
    assert not name.startswith(".")
    assert all(unicodedata.category(character)[0] != "C" for character in name)
    assert name == unicodedata.normalize("NFC", name)
