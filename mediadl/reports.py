"""Errors to a Sentry-compatible server, where SENTRY_DSN names one: what went wrong and where, never for whom."""

from __future__ import annotations

import re
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration

# Of a request: an id finds it in our own log.
KEPT_HEADERS = frozenset({"Content-Type", "User-Agent", "X-Request-Id"})
# Beyond the path of an address come tokens and searches; before the host may come a password.
_QUERY = re.compile(r"(https?://)(?:[^\s/?#@]*@)?([^\s?#'\"<>]*)[?#][^\s'\"<>]*")
_USER_INFO = re.compile(r"(https?://)[^\s/?#@]*@")
_SECRET_PATH = re.compile(r"(/files/[0-9a-f-]{36}/|/sign-in/link/|/s/)[^\s?'\"<>]+")


def report_errors(dsn: str, *, server_name: str) -> None:
    sentry_sdk.init(
        dsn=dsn,
        server_name=server_name,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_enabling_integrations=False,
        integrations=[DjangoIntegration(middleware_spans=False, signals_spans=False), LoggingIntegration()],
        before_send=scrubbed,
    )


def scrubbed(event: Any, _hint: Any) -> Any:
    """Without query strings, cookies, bodies and users, also where a message quotes an address."""
    event.pop("user", None)
    event.pop("breadcrumbs", None)
    event.pop("extra", None)
    if request := event.get("request"):
        headers = {name: value for name, value in request.get("headers", {}).items() if name in KEPT_HEADERS}
        url = _without_secrets(request.get("url", "")).partition("?")[0]
        event["request"] = {"method": request.get("method"), "url": url, "headers": headers}
    _scrub_texts(event)
    return event


def _scrub_texts(event: Any) -> None:
    for exception in event.get("exception", {}).get("values", ()):
        exception["value"] = _without_secrets(str(exception.get("value") or ""))
    for holder in (event.get("logentry"), event):
        for name in ("message", "formatted"):
            if holder and isinstance(holder.get(name), str):
                holder[name] = _without_secrets(holder[name])
    if entry := event.get("logentry"):
        # They are what was put into the message.
        entry.pop("params", None)


def _without_secrets(text: str) -> str:
    text = _QUERY.sub(r"\1\2?...", text)
    return _SECRET_PATH.sub(r"\1...", _USER_INFO.sub(r"\1", text))
