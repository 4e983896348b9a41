"""What every page shows of the product and its surroundings. Reads the database only when a template asks for it."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language, gettext, ngettext

from downloads.diagnosis import version
from downloads.models import Hold, HoldKind, Node
from downloads.web import moments, plurals

THEME_COOKIE = "theme"
THEMES = ("system", "light", "dark")
HTMX_CONFIG = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    # Copying style attributes would be refused by our content security policy.
    "attributesToSettle": [],
    "selfRequestsOnly": True,
    # Private pages are not kept in local storage.
    "historyCacheSize": 0,
    "refreshOnHistoryMiss": True,
    # A refused form comes back as itself, with its errors.
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "422", "swap": True},
        {"code": "[45]..", "swap": False, "error": True},
    ],
}


class Product:
    htmx_config = json.dumps(HTMX_CONFIG, separators=(",", ":"))

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @property
    def version(self) -> str:
        return version()

    @property
    def language(self) -> str:
        return get_language() or settings.LANGUAGE_CODE

    @property
    def languages(self) -> list[tuple[str, str]]:
        """Codes and their own names, to choose from."""
        return settings.LANGUAGES

    @property
    def distances(self) -> list[tuple[str, str]]:
        return moments.told()

    @property
    def too_many(self) -> str:
        return plurals.forms(
            lambda seconds: ngettext(
                "That was a bit much at once. Try again in {seconds} second.",
                "That was a bit much at once. Try again in {seconds} seconds.",
                seconds,
            )
        )

    @property
    def several_ended(self) -> str:
        return plurals.forms(
            lambda count: ngettext("{count} download has ended.", "{count} downloads have ended.", count)
        )

    @cached_property
    def theme(self) -> str:
        chosen = self.request.COOKIES.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else "system"

    @property
    def color_scheme(self) -> str:
        return "light dark" if self.theme == "system" else self.theme

    @cached_property
    def warnings(self) -> list[str]:
        """What keeps the product from working as it should, for those who are signed in."""
        user = getattr(self.request, "user", None)
        if user is None or not user.is_authenticated:
            return []
        return [*_open_api(), *_pause(), *_workers(), *(_components() if user.is_staff else ())]


def product(request: HttpRequest) -> dict[str, Any]:
    return {"product": Product(request)}


def _open_api() -> list[str]:
    if settings.REQUIRE_API_KEY:
        return []
    return [
        gettext("The API is open: whoever reaches this server can use it without a key (REQUIRE_API_KEY is false).")
    ]


def _pause() -> list[str]:
    if Hold.objects.of(HoldKind.QUEUE).exists():
        return [gettext("Downloads are paused by an operator. What you submit waits, and starts when they go on.")]
    return []


def _workers() -> list[str]:
    if Node.objects.workers().alive().exists():
        return []
    return [gettext("No worker is running at the moment. Downloads wait in the queue and start when one is back.")]


def _components() -> list[str]:
    return [
        f"{node.name}: {found['message']}"
        for node in Node.objects.alive()
        for found in node.components.values()
        if found.get("status") == "error"
    ]
