"""The shapes of answers, for the API's description only: what is sent is made by hand (representation.py)."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from downloads.api.requests import PRIORITIES
from downloads.engine.errors import ErrorCode
from downloads.models import JobLog, Kind, Stage, Status

Shape = serializers.Serializer[Any]

CHECK_STATUSES = ("ok", "warning", "error")
HEALTH_STATUSES = ("healthy", "degraded", "unhealthy")


class FieldErrorSerializer(Shape):
    field = serializers.CharField(allow_null=True, help_text="A path such as `urls[3]`; null is the whole request.")
    code = serializers.CharField()
    message = serializers.CharField()


class ErrorSerializer(Shape):
    code = serializers.CharField()
    message = serializers.CharField()
    request_id = serializers.CharField()


class ProblemSerializer(Shape):
    """RFC 9457. `code` is stable; docs/errors lists them."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField(help_text="Of this HTTP request; also in X-Request-ID.")
    errors = FieldErrorSerializer(many=True)  # type: ignore[assignment]  # a field of the name of a property
    error = ErrorSerializer()


class FileSerializer(Shape):
    file_id = serializers.UUIDField()
    kind = serializers.ChoiceField(Kind.choices)
    filename = serializers.CharField()
    file_url = serializers.CharField(allow_null=True, help_text="Null once the file is deleted.")
    size_bytes = serializers.IntegerField()
    mime_type = serializers.CharField()
    sha256 = serializers.CharField()
    format = serializers.CharField(allow_null=True)
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    duration = serializers.FloatField(allow_null=True)
    vcodec = serializers.CharField(allow_null=True)
    acodec = serializers.CharField(allow_null=True)
    language = serializers.CharField(allow_null=True)


class MetadataSerializer(Shape):
    """What the site says of the media; null where it says nothing."""

    id = serializers.CharField(allow_null=True)
    title = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    uploader = serializers.CharField(allow_null=True)
    uploader_id = serializers.CharField(allow_null=True)
    uploader_url = serializers.CharField(allow_null=True)
    channel_id = serializers.CharField(allow_null=True)
    channel_url = serializers.CharField(allow_null=True)
    upload_date = serializers.CharField(allow_null=True, help_text="YYYYMMDD")
    duration = serializers.FloatField(allow_null=True)
    view_count = serializers.IntegerField(allow_null=True)
    like_count = serializers.IntegerField(allow_null=True)
    comment_count = serializers.IntegerField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField(), allow_null=True)
    categories = serializers.ListField(child=serializers.CharField(), allow_null=True)
    thumbnail = serializers.CharField(allow_null=True)
    webpage_url = serializers.CharField(allow_null=True)
    extractor = serializers.CharField(allow_null=True)
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    fps = serializers.FloatField(allow_null=True)
    vcodec = serializers.CharField(allow_null=True)
    acodec = serializers.CharField(allow_null=True)
    chapters = serializers.ListField(child=serializers.DictField(), allow_null=True)
    playlist = serializers.CharField(allow_null=True)
    playlist_index = serializers.IntegerField(allow_null=True)


@extend_schema_field({"type": "object", "additionalProperties": {}})
class OptionsField(serializers.DictField):
    """As submitted, with the defaults filled in."""


class DownloadSerializer(Shape):
    request_id = serializers.UUIDField()
    status = serializers.ChoiceField(Status.choices)
    stage = serializers.ChoiceField(Stage.choices, allow_null=True, help_text="Only while it runs.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField()
    file_url = serializers.CharField(allow_null=True, help_text="Of the main file, as the other `file_` fields.")
    file_path = serializers.CharField(allow_null=True, help_text="The name that `path_template` gives it.")
    file_size = serializers.IntegerField(allow_null=True)
    title = serializers.CharField(allow_null=True)
    duration = serializers.FloatField(allow_null=True)
    format = serializers.CharField(allow_null=True)
    progress_percent = serializers.FloatField(
        min_value=0, max_value=100, help_text="Over all formats and postprocessing; never goes back within a run."
    )
    downloaded_bytes = serializers.IntegerField()
    total_bytes = serializers.IntegerField(allow_null=True)
    speed = serializers.FloatField(allow_null=True, help_text="Bytes a second.")
    eta = serializers.FloatField(allow_null=True, help_text="Seconds.")
    deletion_time = serializers.DateTimeField(allow_null=True, help_text="Null before the end, and while kept.")
    logs_url = serializers.CharField()
    error = serializers.CharField(allow_null=True)
    error_code = serializers.ChoiceField([str(code) for code in ErrorCode], allow_null=True)
    retryable = serializers.BooleanField(allow_null=True, help_text="Whether the service tries again by itself.")
    remedy = serializers.CharField(allow_null=True, help_text="What to do about the error.")
    attempt = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField(allow_null=True, help_text="While it waits for another try.")
    priority = serializers.ChoiceField(list(PRIORITIES))
    batch_id = serializers.UUIDField(allow_null=True)
    queue_position = serializers.IntegerField(
        allow_null=True, help_text="Among your own queued jobs, from 1; only where one job is asked for."
    )
    client_reference = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    options = OptionsField(help_text="As submitted, with the defaults filled in.")
    metadata = MetadataSerializer(allow_null=True, help_text="Null until the page has been read.")
    files = FileSerializer(many=True, help_text="All files, the main one first.")


class DownloadListSerializer(Shape):
    results = DownloadSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class LogLineSerializer(Shape):
    timestamp = serializers.DateTimeField()
    level = serializers.ChoiceField(JobLog.LEVELS)
    message = serializers.CharField()


class LogsSerializer(Shape):
    request_id = serializers.UUIDField()
    logs = LogLineSerializer(many=True)
    total_count = serializers.IntegerField(help_text="Of the lines of the level, however many are shown.")


class RemovalSerializer(Shape):
    request_id = serializers.UUIDField()
    status = serializers.ChoiceField(["cancelled", "deleted"])
    message = serializers.CharField()


class CheckSerializer(Shape):
    name = serializers.CharField()
    status = serializers.ChoiceField(CHECK_STATUSES)
    message = serializers.CharField()
    latency_ms = serializers.FloatField(allow_null=True)


class HealthSerializer(Shape):
    status = serializers.ChoiceField(HEALTH_STATUSES)
    timestamp = serializers.DateTimeField()
    version = serializers.CharField()
    uptime_seconds = serializers.FloatField()
    checks = CheckSerializer(many=True)


class ProbeSerializer(Shape):
    status = serializers.ChoiceField(("ok", "error"))
    message = serializers.CharField()


class CountsSerializer(Shape):
    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    paused = serializers.IntegerField()
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()


class StatsSerializer(Shape):
    total_jobs = serializers.IntegerField()
    jobs_by_status = CountsSerializer()
    average_download_time = serializers.FloatField(allow_null=True, help_text="Seconds from start to completion.")
    success_rate = serializers.FloatField(allow_null=True, help_text="Completed of completed and failed, 0 to 1.")
    storage_used_bytes = serializers.IntegerField()
    storage_available_bytes = serializers.IntegerField()
    active_files = serializers.IntegerField()
    queue_size = serializers.IntegerField()
    active_downloads = serializers.IntegerField()
    uptime_seconds = serializers.FloatField()
    started_at = serializers.DateTimeField()
