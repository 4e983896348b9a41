"""How a dry run is described in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from downloads.api import describe_probes, examples
from downloads.api.describe import DOWNLOADS, Description, answer, asked
from downloads.api.findings_shapes import FormatSerializer, PageProbeSerializer, PresetSerializer
from downloads.api.problem import CONTENT_TYPE
from downloads.api.requests import DownloadRequestSerializer
from downloads.api.responses import ProblemSerializer, Shape


class ReasonSerializer(Shape):
    code = serializers.CharField(help_text="As in docs/errors.md.")
    message = serializers.CharField()
    retry_after_sec = serializers.IntegerField(allow_null=True, help_text="When time will have mended it; null if not.")


@extend_schema_serializer(component_name="Estimate")
class EstimateSerializer(Shape):
    url = serializers.CharField()
    title = serializers.CharField(allow_null=True)
    duration = serializers.FloatField(allow_null=True, help_text="Of the clip, where one is asked for.")
    thumbnail = serializers.CharField(allow_null=True)
    uploader = serializers.CharField(allow_null=True)
    extractor = serializers.CharField(allow_null=True)
    format = serializers.CharField(allow_null=True, help_text="What would be fetched; null when nothing fits.")
    formats = FormatSerializer(many=True, help_text="The parts of it.")
    size_bytes = serializers.IntegerField(allow_null=True, help_text="Of what is fetched, as far as the site says.")
    available = serializers.BooleanField(help_text="False where it is not what was asked for but the next best.")
    presets = PresetSerializer(many=True, help_text="What each quality would take in mp4, or mp3.")
    allowed = serializers.BooleanField(help_text="Whether it would be accepted now, and not fail for what is known.")
    reasons = ReasonSerializer(many=True, help_text="Why not.")


EXAMPLE: dict[str, Any] = {
    "url": describe_probes.URL,
    **{name: describe_probes.FOUND_FORMATS[name] for name in ("title", "duration", "thumbnail", "uploader")},
    "extractor": describe_probes.FOUND_FORMATS["extractor"],
    "format": "137+140",
    "formats": [describe_probes.VIDEO, describe_probes.AUDIO],
    "size_bytes": 52_428_800,
    "available": True,
    "presets": describe_probes.FOUND_FORMATS["presets"],
    "allowed": False,
    "reasons": [
        {
            "code": "quota_exceeded",
            "message": "You can have files of 1000000 bytes. Delete some, or wait for them to expire.",
            "retry_after_sec": 1800,
        }
    ],
}
ESTIMATE: Description = {
    "operation_id": "download_estimate",
    "tags": DOWNLOADS,
    "summary": "Estimate a download",
    "description": "A dry run of the same request: what would be fetched, its size and length, and whether the server "
    "and your quota would allow it. Makes no job and counts as a read." + describe_probes.WAITING,
    "parameters": [describe_probes.LOCATION, describe_probes.RETRY_AFTER],
    "request": DownloadRequestSerializer,
    "responses": {
        200: EstimateSerializer,
        202: PageProbeSerializer,
        (400, CONTENT_TYPE): ProblemSerializer,
    },
    "examples": [
        asked("A video in 1080p", examples.REQUEST),
        answer("More than the quota has left", EXAMPLE),
        answer("Under way", describe_probes.UNDER_WAY, 202),
    ],
}
