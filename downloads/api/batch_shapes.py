"""The shapes of answers about batches, for the API's description only (batch_representation.py makes them)."""

from __future__ import annotations

from rest_framework import serializers

from downloads.api.responses import Shape
from downloads.engine.errors import ErrorCode
from downloads.models import BatchKind, Status

BATCH_STATUSES = ("expanding", "queued", "running", "completed", "failed", "cancelled")
ERROR_CODES = [str(code) for code in ErrorCode]


class BatchSummarySerializer(Shape):
    batch_id = serializers.UUIDField()
    kind = serializers.ChoiceField(BatchKind.choices)
    url = serializers.CharField(allow_null=True, help_text="Of the playlist or channel.")
    title = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(BATCH_STATUSES, help_text="`expanding`: the list is still being read.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True, help_text="The end, whatever the outcome.")
    total_urls = serializers.IntegerField(help_text="Jobs there are; of a list, so far.")
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    running = serializers.IntegerField()
    queued = serializers.IntegerField()
    paused = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    skipped = serializers.IntegerField(help_text="Entries left out since you have downloaded them before.")
    progress_percent = serializers.FloatField(min_value=0, max_value=100)
    error = serializers.CharField(allow_null=True)
    error_code = serializers.ChoiceField(ERROR_CODES, allow_null=True, help_text="Why the list could not be read.")
    concurrent_limit = serializers.IntegerField()
    client_reference = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    archive_url = serializers.CharField(allow_null=True, help_text="One zip of all files. Null while there are none.")


class BatchJobSerializer(Shape):
    url = serializers.CharField()
    request_id = serializers.UUIDField()
    status = serializers.ChoiceField(Status.choices)
    title = serializers.CharField(allow_null=True)
    progress_percent = serializers.FloatField(min_value=0, max_value=100)
    file_url = serializers.CharField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    error_code = serializers.ChoiceField(ERROR_CODES, allow_null=True)


class BatchSerializer(BatchSummarySerializer):
    jobs = BatchJobSerializer(many=True, help_text="In the order of the list.")


class BatchListSerializer(Shape):
    results = BatchSummarySerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class BatchCancellationSerializer(Shape):
    batch_id = serializers.UUIDField()
    status = serializers.ChoiceField(BATCH_STATUSES)
    cancelled = serializers.IntegerField(help_text="How many downloads this has cancelled.")
    message = serializers.CharField()
