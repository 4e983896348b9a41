"""How many want an answer of a probe: what nobody wants any more is given up."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("downloads", "0018_next")]

    operations = [
        migrations.AddField("probe", "asked", models.PositiveIntegerField(default=1, db_default=1)),
    ]
