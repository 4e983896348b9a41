"""What may be asked for in several at once: a list of URLs, some of a playlist, or what a channel has."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from downloads import addresses
from downloads.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from downloads.api.probe_queries import BOUNDS, MAX_SECONDS, DateField
from downloads.api.query import MAX_CURSOR_LENGTH, QueryIntegerField, QuerySerializer
from downloads.api.requests import (
    DEFAULT_WEBHOOK_EVENTS,
    WEBHOOK_EVENTS,
    AddressField,
    DownloadOptionsSerializer,
    matches,
)
from downloads.api.strict import (
    INT64_MAX,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
)
from downloads.batches import TEMPLATES, Wish
from downloads.models import DEFAULT_CONCURRENT_LIMIT, BatchKind
from downloads.selection import BOUNDS as FILTERS
from downloads.selection import ITEMS_PATTERN, ORDERS, Selection, is_backwards

MAX_URLS = 100
MAX_CONCURRENT = 10
MAX_NUMBER = 9_999_999
MAX_ITEMS_LENGTH = 2000
MAX_DOWNLOADS = 1000
BATCH_EVENTS = (*WEBHOOK_EVENTS, "batch.completed")
# Of the batch itself, and of no use to its jobs.
OF_THE_BATCH = frozenset({"urls", "concurrent_limit", "stop_on_error", "ignore_errors"})
OF_THE_SELECTION = frozenset(
    {"items", "start", "end", "reverse_playlist", "skip_downloaded", "sort_by", "max_downloads"}
)
NOT_OPTIONS = {"url"} | OF_THE_BATCH | OF_THE_SELECTION | FILTERS.keys()


class SeveralSerializer(DownloadOptionsSerializer):
    """What all batches have. The options are those of a download, and hold for each of them."""

    concurrent_limit = StrictIntegerField(
        default=DEFAULT_CONCURRENT_LIMIT,
        min_value=1,
        max_value=MAX_CONCURRENT,
        help_text="How many of them are downloaded at the same time.",
    )
    ignore_errors = StrictBooleanField(
        default=True, help_text="The batch has completed although some failed, unless all did."
    )
    webhook_events = StrictListField(
        child=StrictChoiceField(BATCH_EVENTS), default=list(DEFAULT_WEBHOOK_EVENTS), max_length=16
    )

    def options(self) -> dict[str, Any]:
        """What each job is made with."""
        return {name: value for name, value in self.validated_data.items() if name not in NOT_OPTIONS}


@extend_schema_serializer(component_name="BatchDownload")
class BatchRequestSerializer(SeveralSerializer):
    urls = StrictListField(
        child=AddressField(max_length=addresses.MAX_URL_LENGTH),
        min_length=1,
        max_length=MAX_URLS,
        help_text="All or none.",
    )
    stop_on_error = StrictBooleanField(default=False, help_text="Cancel what waits as soon as one has failed.")

    def wish(self) -> Wish:
        wanted = self.validated_data
        return Wish(
            kind=BatchKind.BATCH,
            urls=tuple(wanted["urls"]),
            **{name: wanted[name] for name in ("concurrent_limit", "stop_on_error", "ignore_errors")},
        )


class ListSerializer(SeveralSerializer):
    """What playlists and channels have in common."""

    kind: BatchKind

    url = AddressField(max_length=addresses.MAX_URL_LENGTH)
    skip_downloaded = StrictBooleanField(default=True, help_text="Leave out what you have downloaded before.")
    ignore_errors = StrictBooleanField(default=True, help_text="Go on when one has failed; false: stop there.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        attrs["path_template"] = attrs["path_template"] or TEMPLATES[self.kind]
        return attrs

    def selection(self) -> Selection:
        raise NotImplementedError

    def wish(self) -> Wish:
        wanted = self.validated_data
        return Wish(
            kind=self.kind,
            selection=self.selection(),
            **{name: wanted[name] for name in ("url", "concurrent_limit", "ignore_errors")},
        )


@extend_schema_serializer(component_name="PlaylistDownload")
class PlaylistRequestSerializer(ListSerializer):
    kind = BatchKind.PLAYLIST

    items = StrictCharField(
        default=None,
        allow_null=True,
        max_length=MAX_ITEMS_LENGTH,
        validators=[matches(ITEMS_PATTERN, _("Write numbers and ranges, such as 1-10,15,20-25."))],
        help_text="Which entries, counted from 1: `1-10,15,20-25`; `30-` is all from there.",
    )
    start = StrictIntegerField(default=None, allow_null=True, min_value=1, max_value=MAX_NUMBER)
    end = StrictIntegerField(
        default=None, allow_null=True, min_value=1, max_value=MAX_NUMBER, help_text="Not before `start`."
    )
    reverse_playlist = StrictBooleanField(default=False, help_text="Begin with the last.")

    def validate_items(self, value: str | None) -> str | None:
        if value is not None and is_backwards(value):
            raise serializers.ValidationError(_("A range ends before it begins."), code="range_order")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if attrs["end"] is not None and attrs["end"] < (attrs["start"] or 1):
            raise serializers.ValidationError({"end": "This is before start."}, code="range_order")
        return attrs

    def selection(self) -> Selection:
        wanted = self.validated_data
        return Selection(
            items=wanted["items"],
            start=wanted["start"],
            end=wanted["end"],
            is_reversed=wanted["reverse_playlist"],
            skips_downloaded=wanted["skip_downloaded"],
        )


@extend_schema_serializer(component_name="ChannelDownload")
class ChannelRequestSerializer(ListSerializer):
    kind = BatchKind.CHANNEL

    date_after = DateField(allow_null=True, help_text="YYYYMMDD; that day counts.")
    date_before = DateField(allow_null=True, help_text="YYYYMMDD; that day counts.")
    min_duration = StrictIntegerField(
        default=None, allow_null=True, min_value=0, max_value=MAX_SECONDS, help_text="Seconds."
    )
    max_duration = StrictIntegerField(
        default=None, allow_null=True, min_value=0, max_value=MAX_SECONDS, help_text="Seconds."
    )
    min_views = StrictIntegerField(default=None, allow_null=True, min_value=0, max_value=INT64_MAX)
    max_views = StrictIntegerField(default=None, allow_null=True, min_value=0, max_value=INT64_MAX)
    sort_by = StrictChoiceField(
        tuple(ORDERS),
        default=None,
        allow_null=True,
        help_text="The latest, most viewed or longest first, or by title. The site's own order without it.",
    )
    max_downloads = StrictIntegerField(
        default=None, allow_null=True, min_value=1, max_value=MAX_DOWNLOADS, help_text="The first so many of them."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        for lower, upper in BOUNDS:
            if None not in (attrs[lower], attrs[upper]) and attrs[lower] > attrs[upper]:
                raise serializers.ValidationError({upper: f"This is below {lower}."}, code="bounds_order")
        return attrs

    def selection(self) -> Selection:
        wanted = self.validated_data
        return Selection(
            filters={name: wanted[name] for name in FILTERS if wanted[name] is not None},
            sort_by=wanted["sort_by"],
            max_downloads=wanted["max_downloads"],
            skips_downloaded=wanted["skip_downloaded"],
        )


class BatchListQuery(QuerySerializer):
    limit = QueryIntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    cursor = StrictCharField(default=None, max_length=MAX_CURSOR_LENGTH, help_text="As `next` or `previous` has it.")
