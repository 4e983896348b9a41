from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from downloads.api.problem import TITLES
from downloads.engine.errors import ERRORS

DOCUMENT = Path(django_settings.BASE_DIR) / "docs" / "errors.md"
ROW = re.compile(r'^\| <a id="(\w+)"></a>`(\w+)` \| [1-5]\d\d \| (\w+) \| (.+) \|$', re.MULTILINE)


@pytest.mark.django_db
def test_every_code_of_a_problem_document_has_a_place_to_read_about_it() -> None:
    page = Client().get(reverse("error_codes"))

    assert page.status_code == 200
    missing = [code for code in TITLES if f'id="{code}"' not in page.content.decode()]
    assert missing == []


def test_the_document_says_of_every_code_of_a_request_who_can_mend_it_and_how() -> None:
    rows = ROW.findall(DOCUMENT.read_text())
    assert [(anchor, code) for anchor, code, *_ in rows] == [(code, code) for code in sorted(TITLES.keys() - ERRORS)]
    for _, code, who, remedy in rows:
        assert who in {"user", "operator", "nobody"}, code
        assert remedy.endswith("."), code
