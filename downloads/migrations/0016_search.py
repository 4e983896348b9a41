"""Search in titles and links by trigrams, where PostgreSQL has pg_trgm and lets us have it; elsewhere rows are read."""

from __future__ import annotations

from typing import Any

from django.db import ProgrammingError, migrations, models, transaction
from django.db.models import Q

# As Django writes `icontains`. No index is on what changes while a job runs.
INDEXES = {"job_search_title": "upper(title) gin_trgm_ops", "job_search_url": "upper(url) gin_trgm_ops"}


def create(_: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql" and has_trigrams(editor):
        for name, expression in INDEXES.items():
            editor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON downloads_job USING gin ({expression})")


def has_trigrams(editor: Any) -> bool:
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")
        if cursor.fetchone() is None:
            return False
        try:
            with transaction.atomic():
                cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except ProgrammingError:  # a database whose owner may not: docs/scaling.md says what to run by hand
            return False
    return True


def drop(_: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        for name in INDEXES:
            editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [("downloads", "0015_admin_indexes")]

    operations = [
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["client_reference"], name="job_reference", condition=~Q(client_reference="")
            ),
        ),
        migrations.RunPython(create, drop),
    ]
