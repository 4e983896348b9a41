"""How a request to the API says whose it is: by key, by the browser's session, or by nothing where that is allowed."""

# ruff: noqa: ARG002 - DRF's signatures

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts import limits
from accounts.bookkeeping import dispensable
from accounts.models import ApiKey, User

CHALLENGE = 'ApiKey realm="mediadl", Bearer realm="mediadl"'
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class ApiKeyAuthentication(authentication.BaseAuthentication):
    """`X-API-Key: KEY` or `Authorization: Bearer KEY`. Every refusal is the same, whatever is wrong with the key."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        if not (presented := presented_keys(request)):
            return None
        at = timezone.now()
        key = ApiKey.objects.presented(presented.pop(), at) if len(presented) == 1 else None
        if key is None:
            # Guessing is hopeless, yet each guess costs a query: the address pays for it as for a read.
            limits.charge_refused_key(request)
            raise exceptions.AuthenticationFailed("The API key is not valid.", code="invalid_api_key")
        with dispensable():
            key.touch(at)
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def presented_keys(request: Request) -> set[str]:
    """Every key that the headers name; an empty string for a header that names none, which is no key."""
    found = set()
    if "X-API-Key" in request.headers:
        found.add(request.headers["X-API-Key"].strip())
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        found.add(token.strip())
    return found


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser's session, with CSRF. The challenge of a 401 is that of the keys, who are asked first."""

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise exceptions.PermissionDenied(str(error.detail), code="csrf_failed") from error


class AnonymousPrincipalAuthentication(authentication.BaseAuthentication):
    """Lets everybody in where REQUIRE_API_KEY is false, except pages of other sites through a visitor's browser."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        if settings.REQUIRE_API_KEY:
            return None
        if request.method not in SAFE_METHODS and is_from_another_site(request):
            raise exceptions.PermissionDenied("The request comes from a page of another site.", code="csrf_failed")
        return User.objects.anonymous(), None


def is_from_another_site(request: Request) -> bool:
    """Browsers say so in Origin, which no page can change; programs send none."""
    origin = request.headers.get("Origin")
    if origin is None or origin in settings.CORS_ALLOWED_ORIGINS:
        return False
    return urlsplit(origin).netloc != request.get_host()
