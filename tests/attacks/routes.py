"""Every address of the product, from its URL configuration, and whose rows it shows. A new one has to be put here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

# By the pattern as the URL configuration spells it.
ROWS_BY_KEY = {  # of the API: an id of somebody's row is in the address
    "api/v1/download/<uuid:request_id>",
    "api/v1/download/<uuid:request_id>/logs",
    "api/v1/download/<uuid:request_id>/pause",
    "api/v1/download/<uuid:request_id>/resume",
    "api/v1/download/<uuid:request_id>/retry",
    "api/v1/download/<uuid:request_id>/keep",
    "api/v1/download/<uuid:request_id>/events",
    "api/v1/files/<uuid:file_id>",
    "api/v1/files/<uuid:file_id>/links",
    "api/v1/files/<uuid:file_id>/<str:filename>",
    "api/v1/links/<uuid:link_id>",
    "api/v1/auth/cookies/<uuid:cookie_id>",
    "api/v1/auth/cookies/<uuid:cookie_id>/test",
    "api/v1/keys/<uuid:key_id>",
    "api/v1/keys/<uuid:key_id>/rotate",
    "api/v1/probe/<uuid:probe_id>",
    "api/v1/batch/<uuid:batch_id>",
    "api/v1/batch/<uuid:batch_id>/retry",
    "api/v1/webhooks/<uuid:webhook_id>",
    "api/v1/webhooks/<uuid:webhook_id>/rotate",
    "api/v1/webhooks/<uuid:webhook_id>/test",
    "api/v1/webhooks/<uuid:webhook_id>/deliveries",
    "api/v1/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>",
    "api/v1/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/redeliver",
    "api/v1/batch/<uuid:batch_id>/archive",
}
LISTS_BY_KEY = {  # of the API: what is one's own
    "api/v1/auth/cookies",
    "api/v1/download",
    "api/v1/download/estimate",
    "api/v1/events",
    "api/v1/keys",
    "api/v1/me",
    "api/v1/stats",
    "api/v1/formats",
    "api/v1/metadata",
    "api/v1/playlist/preview",
    "api/v1/channel/info",
    "api/v1/batch",
    "api/v1/batch/download",
    "api/v1/playlist/download",
    "api/v1/channel/download",
    "api/v1/webhooks",
    "api/v1/webhooks/for-requests",
}
READS_BY_POST = {"api/v1/download/estimate"}  # of the API: has a body, and changes nothing
ROWS_BY_SESSION = {
    "cookies/<uuid:cookie_id>/delete",
    "cookies/<uuid:cookie_id>/test",
    "cookies/<uuid:cookie_id>/test/<uuid:probe_id>",
    "lists/<uuid:probe_id>",
    "presets/<uuid:preset_id>",
    "presets/<uuid:preset_id>/delete",
    "preview/<uuid:probe_id>",
    "jobs/<uuid:job_id>",
    "jobs/<uuid:job_id>/log",
    "jobs/<uuid:job_id>/delete",
    "jobs/<uuid:job_id>/<slug:verb>",
    "batches/<uuid:batch_id>",
    "batches/<uuid:batch_id>/<slug:verb>",
    "files/<uuid:file_id>/delete",
    "files/<uuid:file_id>/links",
    "links/<uuid:link_id>/revoke",
    "accounts/sessions/<str:handle>/end/",
    "accounts/people/",  # for operators alone: for others it is not there
    "accounts/people/invite/",
    "accounts/people/<uuid:user_id>/link/",
    "accounts/keys/<uuid:key_id>/rename/",
    "accounts/keys/<uuid:key_id>/rotate/",
    "accounts/keys/<uuid:key_id>/revoke/",
    "webhooks/<uuid:webhook_id>/",
    "webhooks/<uuid:webhook_id>/rotate/",
    "webhooks/<uuid:webhook_id>/test/",
    "webhooks/<uuid:webhook_id>/switch/",
    "webhooks/<uuid:webhook_id>/delete/",
    "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/",
    "webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/redeliver/",
}
LISTS_BY_SESSION = {
    "cookies",
    "cookies/new",
    "",
    "active",
    "lists",
    "presets",
    "presets/new",
    "preview",
    "thumbnail",
    "library",
    "undo",
    "batches",
    "library/selection",
    "help",
    "sites",
    "accounts/",
    "accounts/sessions/end-others/",
    "accounts/export/",
    "accounts/close/",
    "accounts/password/",
    "accounts/usage/",
    "accounts/keys/",
    "accounts/keys/new/",
    "accounts/keys/bookmark/",
    "webhooks/",
    "webhooks/for-requests/",
}
OPERATORS = {"metrics", "api/v1/metrics"}  # and all below admin/
PUBLIC = {
    "offline",
    "send",
    "site.webmanifest",
    "sw.js",
    "docs/errors",
    "language",
    "theme",
    "s/<str:token>",  # who has a link has the file: tests/web/test_shared.py
    "s/<str:token>/<str:filename>",
    "accounts/sign-in/",
    "accounts/sign-in/link/<str:token>/",
    "accounts/sign-out/",
    "api/v1/health",
    "api/v1/health/live",
    "api/v1/health/ready",
    "api/openapi.json",
    "api/docs",
    "api/redoc",
    "api/",
}

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_REGEX_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    pattern: str

    @property
    def is_admin(self) -> bool:
        return self.pattern.startswith("admin/")

    def path(self, values: Mapping[str, object]) -> str:
        """Raises KeyError for a parameter that nobody has given a value yet."""
        plain = _REGEX_GROUP.sub(r"<\1>", self.pattern).replace("^", "").rstrip("$")
        return "/" + _PARAMETER.sub(lambda match: str(values[match[1]]), plain)


def routes() -> list[Route]:
    return [Route(pattern=pattern) for pattern in _walk(get_resolver())]


def _walk(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        spelled = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield spelled
        else:
            yield from _walk(entry, spelled)


def of(kind: set[str]) -> list[Route]:
    return [route for route in routes() if route.pattern in kind]
