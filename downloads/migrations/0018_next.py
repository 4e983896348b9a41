"""The beginning of the queue, which a claim reads."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("downloads", "0017_discards")]

    operations = [
        migrations.AddIndex(
            "job",
            models.Index(F("priority").desc(), F("id"), name="job_next", condition=Q(status="queued")),
        ),
    ]
