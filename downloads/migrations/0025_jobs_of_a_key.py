"""An index that has the jobs of a key in their order takes the place of the one that a foreign key has by itself.

By name, since SQLite would write the whole table anew to have the field without it.
"""

from django.conf import settings
from django.db import migrations, models

NAME = "downloads_job_api_key_id_865a30d6"


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_submit_scope'),
        ('downloads', '0024_last_choices'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('api_key__isnull', False)), fields=['api_key', '-id'], name='job_of_a_key'),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"DROP INDEX IF EXISTS {NAME}",
                    f"CREATE INDEX IF NOT EXISTS {NAME} ON downloads_job (api_key_id)",
                ),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name='job',
                    name='api_key',
                    field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=models.deletion.SET_NULL, related_name='+', to='accounts.apikey'),
                ),
            ],
        ),
    ]
