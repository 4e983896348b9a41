"""django-q2's queue table has no index for its own poll: one queue's backlog would slow down every other queue."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("downloads", "0001_initial"),
        ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX downloads_wake_ups ON django_q_ormq (key, lock, id)",
            "DROP INDEX downloads_wake_ups",
        ),
    ]
