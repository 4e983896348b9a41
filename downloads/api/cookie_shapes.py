"""What is asked and answered of stored cookies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from downloads import addresses, netscape
from downloads.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from downloads.api.query import MAX_CURSOR_LENGTH, QueryIntegerField, QuerySerializer
from downloads.api.representation import written
from downloads.api.requests import AddressField, LineField
from downloads.api.strict import StrictCharField, StrictDateTimeField, StrictSerializer
from downloads.models import CookieJar
from downloads.models.cookies import MAX_NAME_LENGTH

Shape = serializers.Serializer[Any]


@extend_schema_field({"type": "string", "contentMediaType": "application/octet-stream"})
class TextFileField(serializers.Field[Any, Any, Any, Any]):
    """A file of a multipart form; in JSON there is none."""

    default_error_messages = {"invalid": "This is no file of a multipart form."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, UploadedFile):
            self.fail("invalid")
        return data


class ExpiryField(StrictDateTimeField):
    default_error_messages = {"past": "This is in the past."}

    def __init__(self, **options: Any) -> None:
        help_text = (
            "Do not use them after this time. By default when the last of them ends, as far as that can be known."
        )
        super().__init__(**{"default": None, "help_text": help_text} | options)

    def to_internal_value(self, value: Any) -> datetime:
        moment = super().to_internal_value(value)
        if moment <= timezone.now():
            self.fail("past")
        return moment


@extend_schema_serializer(component_name="Cookies")
class CookiesTextSerializer(StrictSerializer[Any]):
    cookies = StrictCharField(
        max_length=netscape.MAX_BYTES,
        help_text=f"Text in Netscape format, at most {netscape.MAX_BYTES // 1024} KiB and {netscape.MAX_COOKIES} "
        "cookies.",
    )
    name = LineField(default="", allow_blank=True, max_length=MAX_NAME_LENGTH, help_text="A domain, unless given.")
    expires_at = ExpiryField(allow_null=True)


@extend_schema_serializer(component_name="CookiesFile")
class CookiesFileSerializer(StrictSerializer[Any]):
    """The same in a multipart form."""

    file = TextFileField(help_text="A cookies.txt.")
    name = LineField(default="", allow_blank=True, max_length=MAX_NAME_LENGTH, help_text="A domain, unless given.")
    expires_at = ExpiryField()


@extend_schema_serializer(component_name="CookiesTrial")
class CookiesTestRequestSerializer(StrictSerializer[Any]):
    url = AddressField(max_length=addresses.MAX_URL_LENGTH, help_text="A page that needs them.")


class CookieListQuery(QuerySerializer):
    limit = QueryIntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    cursor = StrictCharField(default=None, max_length=MAX_CURSOR_LENGTH, help_text="As `next` or `previous` has it.")


class CookiesSerializer(Shape):
    """Stored cookies, without the cookies."""

    cookie_id = serializers.UUIDField(help_text="What requests name as `cookies_id`.")
    name = serializers.CharField()
    domains = serializers.ListField(child=serializers.CharField())
    cookie_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Null is not known.")
    is_expired = serializers.BooleanField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_success_at = serializers.DateTimeField(allow_null=True, help_text="When something was last had with them.")


class CookieListSerializer(Shape):
    results = CookiesSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class CookiesTestSerializer(Shape):
    """A page that could be looked at with them."""

    cookie_id = serializers.UUIDField()
    url = serializers.CharField()
    is_sent = serializers.BooleanField(help_text="Whether any of them is for the host of the URL.")
    title = serializers.CharField(allow_null=True)
    duration = serializers.FloatField(allow_null=True)
    extractor = serializers.CharField(allow_null=True)
    formats_available = serializers.IntegerField()


def represent_cookies(jar: CookieJar, at: datetime) -> dict[str, Any]:
    return {
        "cookie_id": str(jar.pk),
        "name": jar.name,
        "domains": jar.domains,
        "cookie_count": jar.cookie_count,
        "created_at": written(jar.created_at),
        "expires_at": written(jar.expires_at),
        "is_expired": jar.is_expired(at),
        "last_used_at": written(jar.last_used_at),
        "last_success_at": written(jar.last_success_at),
    }


def represent_test(jar: CookieJar, url: str, found: dict[str, Any], *, is_sent: bool) -> dict[str, Any]:
    known = found["metadata"]
    return {
        "cookie_id": str(jar.pk),
        "url": url,
        "is_sent": is_sent,
        "title": known["title"],
        "duration": known["duration"],
        "extractor": known["extractor"],
        "formats_available": len(found["items"]),
    }
