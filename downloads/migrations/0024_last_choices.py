"""What somebody chose last, kept for them instead of for one browser."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models



class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("downloads", "0023_ended"),
    ]

    operations = [
        migrations.CreateModel(
            name="LastChoices",
            fields=[
                (
                    "owner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("options", models.JSONField(default=dict)),
            ],
        ),
    ]
