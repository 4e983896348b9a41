"""The line of an owner by hosts, so that a claim passes over those that start nothing now."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("downloads", "0019_probe_asked")]

    operations = [
        migrations.AddIndex(
            "job",
            models.Index(
                F("owner"), F("host"), F("priority").desc(), F("id"), name="job_lane", condition=Q(status="queued")
            ),
        ),
    ]
