from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from downloads.api.problem import TITLES


@pytest.mark.django_db
def test_every_code_of_a_problem_document_has_a_place_to_read_about_it() -> None:
    page = Client().get(reverse("error_codes"))

    assert page.status_code == 200
    missing = [code for code in TITLES if f'id="{code}"' not in page.content.decode()]
    assert missing == []
