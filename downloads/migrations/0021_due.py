"""What of the queue is due, and since when, for health and the operator's queue; and the newest of it, for lists;
and what is stored, by age and by job."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("downloads", "0020_lane")]

    operations = [
        migrations.AddIndex("job", models.Index(fields=["eligible_at"], name="job_due", condition=Q(status="queued"))),
        migrations.AddIndex("job", models.Index(fields=["-id"], name="job_queued", condition=Q(status="queued"))),
        migrations.AddIndex(
            "mediafile",
            models.Index(fields=["created_at", "size_bytes"], name="file_age", condition=Q(deleted_at__isnull=True)),
        ),
        migrations.AddIndex(
            "mediafile",
            models.Index(fields=["job", "size_bytes"], name="file_of_job", condition=Q(deleted_at__isnull=True)),
        ),
    ]
