"""The shapes of what probes find, for the API's description only: what is sent is made in findings.py."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from downloads.api.responses import MetadataSerializer, Shape
from downloads.engine.errors import ErrorCode
from downloads.models import ProbeKind, ProbeStatus

TRACKS = {
    "type": "object",
    "additionalProperties": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["ext", "name"],
            "properties": {"ext": {"type": ["string", "null"]}, "name": {"type": ["string", "null"]}},
        },
    },
}


@extend_schema_field(TRACKS)
class TracksField(serializers.DictField):
    """By language."""


class FormatSerializer(Shape):
    format_id = serializers.CharField(allow_null=True, help_text="For `custom_format`.")
    ext = serializers.CharField(allow_null=True)
    resolution = serializers.CharField(allow_null=True)
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    fps = serializers.FloatField(allow_null=True)
    vcodec = serializers.CharField(allow_null=True)
    acodec = serializers.CharField(allow_null=True)
    filesize = serializers.IntegerField(allow_null=True)
    filesize_approx = serializers.IntegerField(allow_null=True)
    tbr = serializers.FloatField(allow_null=True, help_text="Kilobits a second, of all streams.")
    vbr = serializers.FloatField(allow_null=True)
    abr = serializers.FloatField(allow_null=True)
    format_note = serializers.CharField(allow_null=True)
    dynamic_range = serializers.CharField(allow_null=True)
    language = serializers.CharField(allow_null=True)
    protocol = serializers.CharField(allow_null=True)


class FormatGroupsSerializer(Shape):
    combined = FormatSerializer(many=True, help_text="Video and audio, or media that does not say.")
    video_only = FormatSerializer(many=True)
    audio_only = FormatSerializer(many=True)


class PresetSerializer(Shape):
    quality = serializers.CharField()
    format = serializers.CharField(allow_null=True, help_text="What a download of this quality takes.")
    size_bytes = serializers.IntegerField(allow_null=True, help_text="Of what is fetched, as far as the site says.")
    available = serializers.BooleanField(help_text="False where a download takes the next best.")


class FormatsSerializer(Shape):
    url = serializers.CharField()
    title = serializers.CharField(allow_null=True)
    duration = serializers.FloatField(allow_null=True)
    thumbnail = serializers.CharField(allow_null=True)
    uploader = serializers.CharField(allow_null=True)
    extractor = serializers.CharField(allow_null=True)
    formats = FormatGroupsSerializer(help_text="From worst to best.")
    best_video_format = serializers.CharField(allow_null=True)
    best_audio_format = serializers.CharField(allow_null=True)
    recommended_format = serializers.CharField(allow_null=True)
    presets = PresetSerializer(many=True)
    subtitles = TracksField()
    automatic_captions = TracksField()


class PageMetadataSerializer(MetadataSerializer):
    url = serializers.CharField()
    formats_available = serializers.ListField(child=serializers.CharField(allow_null=True), help_text="Format ids.")
    subtitles = TracksField()
    automatic_captions = TracksField()


class EntrySerializer(Shape):
    id = serializers.CharField(allow_null=True)
    title = serializers.CharField(allow_null=True)
    url = serializers.CharField(help_text="That of the list, for an item that has no page of its own.")
    duration = serializers.FloatField(allow_null=True)
    thumbnail = serializers.CharField(allow_null=True)
    uploader = serializers.CharField(allow_null=True)
    upload_date = serializers.CharField(allow_null=True, help_text="YYYYMMDD")
    view_count = serializers.IntegerField(allow_null=True)
    playlist_index = serializers.IntegerField(help_text="From 1, in the site's order.")


class PageSerializer(Shape):
    total_videos = serializers.IntegerField()
    page = serializers.IntegerField()
    page_size = serializers.IntegerField()
    total_pages = serializers.IntegerField()
    has_next = serializers.BooleanField()
    has_previous = serializers.BooleanField()
    videos = EntrySerializer(many=True)
    truncated = serializers.BooleanField(help_text="The list is longer than the server reads.")
    extractor = serializers.CharField(allow_null=True)


class PlaylistPreviewSerializer(PageSerializer):
    playlist_id = serializers.CharField(allow_null=True)
    playlist_title = serializers.CharField(allow_null=True)
    playlist_uploader = serializers.CharField(allow_null=True)
    playlist_url = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    thumbnail = serializers.CharField(allow_null=True)


class ChannelSerializer(Shape):
    channel_id = serializers.CharField(allow_null=True)
    channel_name = serializers.CharField(allow_null=True)
    channel_url = serializers.CharField()
    subscriber_count = serializers.IntegerField(allow_null=True)
    video_count = serializers.IntegerField()
    description = serializers.CharField(allow_null=True)
    thumbnail = serializers.CharField(allow_null=True)


class FiltersSerializer(Shape):
    date_after = serializers.CharField(required=False)
    date_before = serializers.CharField(required=False)
    min_duration = serializers.IntegerField(required=False)
    max_duration = serializers.IntegerField(required=False)
    min_views = serializers.IntegerField(required=False)
    max_views = serializers.IntegerField(required=False)
    sort_by = serializers.CharField(required=False)


class ChannelInfoSerializer(PageSerializer):
    channel = ChannelSerializer()
    filters_applied = FiltersSerializer()


class MediaFindingsSerializer(Shape):
    """Of a `media` probe the first two, of a `list` probe the first page of the third."""

    formats = FormatsSerializer(required=False)
    metadata = PageMetadataSerializer(required=False)
    playlist = PlaylistPreviewSerializer(required=False)


@extend_schema_serializer(component_name="PageProbe")
class PageProbeSerializer(Shape):
    probe_id = serializers.UUIDField()
    kind = serializers.ChoiceField(ProbeKind.values)
    status = serializers.ChoiceField(ProbeStatus.values)
    url = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="How long it answers the same question again.")
    error = serializers.CharField(allow_null=True)
    error_code = serializers.ChoiceField([str(code) for code in ErrorCode], allow_null=True)
    remedy = serializers.CharField(allow_null=True)
    result = MediaFindingsSerializer(allow_null=True)
