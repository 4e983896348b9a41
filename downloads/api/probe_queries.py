"""What may be asked of a page that is looked at without a download."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from downloads import addresses
from downloads.api.findings import DEFAULT_PAGE_SIZE
from downloads.api.query import QueryIntegerField, QuerySerializer
from downloads.api.requests import AddressField, matches
from downloads.api.strict import StrictCharField, StrictChoiceField, StrictUUIDField
from downloads.selection import ORDERS

MAX_PAGE_SIZE = 100
MAX_PAGE = 1_000_000
MAX_SECONDS = 366 * 24 * 3600
BOUNDS = (("date_after", "date_before"), ("min_duration", "max_duration"), ("min_views", "max_views"))
DATE_PATTERN = r"^[0-9]{8}$"


class DateField(StrictCharField):
    """YYYYMMDD, as sites and yt-dlp write it."""

    default_error_messages = {"no_date": "This is no date of the calendar."}

    def __init__(self, **options: Any) -> None:
        super().__init__(default=None, validators=[matches(DATE_PATTERN, "Write a date as YYYYMMDD.")], **options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 -- a day, in no zone
        except ValueError:
            self.fail("no_date")
        return text


class ProbeQuery(QuerySerializer):
    url = AddressField(max_length=addresses.MAX_URL_LENGTH)
    cookies_id = StrictUUIDField(default=None, help_text="Stored cookies to send.")


class MetadataQuery(ProbeQuery):
    format = StrictChoiceField(("json", "csv"), default="json", help_text="csv: a line of names, a line of values.")


class PlaylistQuery(ProbeQuery):
    page = QueryIntegerField(default=1, min_value=1, max_value=MAX_PAGE)
    page_size = QueryIntegerField(default=DEFAULT_PAGE_SIZE, min_value=1, max_value=MAX_PAGE_SIZE)


class ChannelQuery(PlaylistQuery):
    date_after = DateField(help_text="YYYYMMDD; that day counts. Videos without a date are left out.")
    date_before = DateField(help_text="YYYYMMDD; that day counts. Videos without a date are left out.")
    min_duration = QueryIntegerField(default=None, min_value=0, max_value=MAX_SECONDS, help_text="Seconds.")
    max_duration = QueryIntegerField(default=None, min_value=0, max_value=MAX_SECONDS, help_text="Seconds.")
    min_views = QueryIntegerField(default=None, min_value=0)
    max_views = QueryIntegerField(default=None, min_value=0)
    sort_by = StrictChoiceField(
        tuple(ORDERS),
        default=None,
        help_text="The latest, most viewed or longest first, or by title. The site's own order without it.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for lower, upper in (
            ("date_after", "date_before"),
            ("min_duration", "max_duration"),
            ("min_views", "max_views"),
        ):
            if None not in (attrs[lower], attrs[upper]) and attrs[lower] > attrs[upper]:
                raise serializers.ValidationError({upper: f"This is below {lower}."}, code="bounds_order")
        return attrs
