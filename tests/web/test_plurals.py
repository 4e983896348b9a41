from __future__ import annotations

import json

from django.utils import translation
from django.utils.translation import ngettext

from downloads.web import plurals


def said(count: int) -> str:
    return ngettext("{count} download has ended.", "{count} downloads have ended.", count)


def test_scripts_have_each_form_of_the_language() -> None:
    assert json.loads(plurals.forms(said)) == {
        "one": "{count} download has ended.",
        "other": "{count} downloads have ended.",
    }
    with translation.override("de"):
        assert json.loads(plurals.forms(said)) == {
            "one": "{count} Download ist beendet.",
            "other": "{count} Downloads sind beendet.",
        }


def test_a_language_with_more_forms_has_them_all() -> None:
    polish = {0: "wiele", 1: "jeden", 2: "kilka", 3: "kilka", 11: "wiele", 100: "wiele"}
    assert json.loads(plurals.forms(polish.__getitem__)) == {
        "one": "jeden",
        "two": "kilka",
        "few": "kilka",
        "other": "wiele",
    }
