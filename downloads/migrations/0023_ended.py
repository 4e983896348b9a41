"""An owner's jobs by when they ended, for the first page."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("downloads", "0022_find_batches")]

    operations = [
        migrations.AddIndex(
            "job",
            models.Index(fields=["owner", "-finished_at"], name="job_ended", condition=Q(finished_at__isnull=False)),
        ),
    ]
