import downloads.models.jobs
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('downloads', '0021_due'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(downloads.models.jobs.UrlStart('url'), models.OrderBy(models.F('id'), descending=True), condition=models.Q(('url', ''), _negated=True), name='batch_by_url'),
        ),
    ]
