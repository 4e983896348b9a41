"""Search in titles and links, which PostgreSQL does by trigrams where it has them."""

from __future__ import annotations

import pytest
from django.db import connection

from downloads.models import Job
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("title", "text", "is_found"),
    [
        ("The Making of a Violin", "violin", True),
        ("The Making of a Violin", "VIOLIN", True),
        ("The Making of a Violin", "of a v", True),
        ("The Making of a Violin", "in", True),
        ("The Making of a Violin", "viola", False),
        ("100 % cotton", "0 %", True),
        ("100 percent", "0 %", False),
        ("snake_case", "e_c", True),
        ("snakeXcase", "e_c", False),
        (r"a\b", "\\", True),
        ("it's", "it's", True),
        ("日本語の動画", "本語", True),
    ],
)
def test_a_part_of_a_title_is_found_as_it_is_written(title: str, text: str, is_found: bool) -> None:
    job = JobFactory(title=title)
    assert list(Job.objects.matching(text)) == ([job] if is_found else [])


def test_a_part_of_a_link_is_found_and_a_whole_reference_alone() -> None:
    job = JobFactory(url="https://media.example/watch/Xy12", client_reference="order-100")
    assert list(Job.objects.matching("watch/xy")) == [job]
    assert list(Job.objects.matching("order-100")) == [job]
    assert list(Job.objects.matching("order-10")) == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no trigrams")
def test_titles_and_links_are_indexed_exactly_where_the_server_has_trigrams() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")
        [available] = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname IN ('job_search_title', 'job_search_url')")
        [made] = cursor.fetchone()
    assert made == 2 * available
