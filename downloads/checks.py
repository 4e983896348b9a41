"""System checks: what would break at run time and can be seen at start."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from downloads.engine.guard_policy import Policy


@register()
def queue_is_in_the_same_database(**_: Any) -> list[CheckMessage]:
    """A job and its wake-up commit together only where they are in one database."""
    if settings.REDIS_URL or settings.Q_CLUSTER["orm"] == "default":
        return []
    return [Error("The queue must be in the default database.", id="downloads.E001")]


@register()
def sqlite_has_one_machine(**_: Any) -> list[CheckMessage]:
    if settings.IS_SQLITE and settings.REDIS_URL:
        hint = "Set DATABASE_URL: several machines need PostgreSQL."
        return [checks.Warning("REDIS_URL is set, but the database is SQLite.", hint=hint, id="downloads.W001")]
    return []


@register()
def api_is_closed(**_: Any) -> list[CheckMessage]:
    if settings.REQUIRE_API_KEY:
        return []
    hint = "For private networks only. Remove REQUIRE_API_KEY=false to close it."
    return [checks.Warning("The API is open to everyone who reaches it.", hint=hint, id="downloads.W002")]


@register()
def egress_settings_can_be_read(**_: Any) -> list[CheckMessage]:
    environment = {
        "EGRESS_ALLOW": settings.EGRESS_ALLOW,
        "EGRESS_PORTS": settings.EGRESS_PORTS,
        "EGRESS_DOMAINS_BLOCKED": ",".join(settings.BLOCKED_DOMAINS),
    }
    try:
        Policy.from_environment(environment)
    except ValueError as failure:
        return [Error(str(failure), hint="See docs/configuration.md for the forms.", id="downloads.E002")]
    return []
