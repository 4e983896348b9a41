"""What a server needs before anybody can use it: somebody who may sign in, and the key of its environment."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiKey, SignInLink, User
from accounts.models.key import ENVIRONMENT_KEY_NAME

FIRST_OPERATOR_USERNAME = "operator"

log = structlog.get_logger("mediadl")


def ensure_first_operator() -> str | None:
    """The address of a new one-time link, until an operator has come in or has a password. No password is made up.

    Harmless to repeat and in parallel: every link works until one is used or its time is over.
    """
    if User.objects.operators().settled().exists():
        return None
    return sign_in_address(first_operator())


def first_operator() -> User:
    existing = User.objects.operators().order_by("date_joined").first()
    return (
        existing
        or User.objects.get_or_create(
            username=FIRST_OPERATOR_USERNAME,
            defaults={"is_staff": True, "is_superuser": True, "password": "!", "display_name": "Operator"},
        )[0]
    )


def sign_in_address(user: User) -> str:
    token = SignInLink.objects.issue(user, timedelta(hours=settings.SIGN_IN_LINK_HOURS))
    return settings.PUBLIC_BASE_URL + reverse("accounts:sign_in_link", args=[token])


def register_environment_key() -> ApiKey | None:
    """Makes API_KEY a key of the first operator, and ends the one that it was before. ValueError for a weak one."""
    if not settings.API_KEY:
        ApiKey.objects.end_environment_keys()
        return None
    key = ApiKey.objects.register_plain(settings.API_KEY, first_operator(), ENVIRONMENT_KEY_NAME)
    if key.state(timezone.now()) != "active":
        log.warning("environment_key_unusable", state=key.state(timezone.now()))
    return key
