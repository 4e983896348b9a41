"""The settings as this process has them, without what must not be seen. By the names of the reference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext

SECRET = re.compile(r"(KEY|KEYS|KEY_ID|TOKEN|SECRET|PASSWORD|DSN)$")
# Variables whose setting has another name.
NAMED = {"CORS_ORIGINS": "CORS_ALLOWED_ORIGINS", "PROMETHEUS_MULTIPROC_DIR": "METRICS_DIR"}
# The product's own, and what only says where another one begins.
INTERNAL = re.compile(r"MEDIADL_|RAILWAY_|STORAGE_DIR$|ENGINE_SOCKET$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    name: str
    value: str
    is_secret: bool


def shown() -> Iterator[Shown]:
    for name in settings.VARIABLES:
        if not INTERNAL.match(name):
            value = _database() if name == "DATABASE_URL" else getattr(settings, NAMED.get(name, name), "")
            is_secret = bool(SECRET.search(name)) and not isinstance(value, bool)
            yield Shown(name=name, value=masked(value) if is_secret else text_of(value), is_secret=is_secret)


def masked(value: Any) -> str:
    return gettext("set") if value else gettext("not set")


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    text = "" if value is None else str(value)
    return without_credentials(text) if "://" in text else text


def without_credentials(url: str) -> str:
    """Nothing of a user, a password or a query: each may be a secret. Empty when it cannot be read."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _database() -> str:
    found = connection.settings_dict
    engine = str(found["ENGINE"]).rpartition(".")[2]
    where = f"{found['HOST']}:{found['PORT']}/" if found.get("HOST") else ""
    return f"{engine}: {where}{found['NAME']}"
