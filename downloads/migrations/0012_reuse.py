from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("downloads", "0011_audit_record")]

    operations = [
        migrations.AddField("job", "fingerprint", models.UUIDField(blank=True, editable=False, null=True)),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["fingerprint"],
                name="job_reusable",
                condition=Q(status="completed", fingerprint__isnull=False),
            ),
        ),
    ]
