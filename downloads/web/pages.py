"""Pages that explain, what browsers keep of us, and the choice of theme."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language, gettext, gettext_noop
from django.views.decorators.http import require_GET, require_POST
from django.views.i18n import set_language

from downloads import sites
from downloads.api.problem import TITLES
from downloads.engine.errors import ERRORS
from downloads.web import words
from downloads.web.answers import back
from downloads.web.context import THEME_COOKIE, THEMES, Product

THEME_LASTS = timedelta(days=365)
# Lets a browser install the pages as an app, and a phone share links with it.
MANIFEST: dict[str, Any] = {
    "name": "mediadl",
    "short_name": "mediadl",
    "description": gettext_noop("Paste a link, keep the file."),
    "id": "/",
    "start_url": "/",
    "scope": "/",
    "display": "standalone",
    "background_color": "#f6f6f9",
    "theme_color": "#4a3dc4",
    "share_target": {"action": "/", "method": "GET", "params": {"title": "title", "text": "text", "url": "url"}},
}
# What the icon of an installed app offers.
SHORTCUTS = ((gettext_noop("Library"), "library"), (gettext_noop("Batches"), "batches"))
# What the page without a connection is drawn with.
OFFLINE_PARTS = ("css/tokens.css", "css/base.css", "css/components.css", "css/errors.css", "icons.svg", "js/offline.js")
# (path, sizes, purpose): systems that install pages draw no SVG.
ICONS = (
    ("icons/icon-192.png", "192x192", "any"),
    ("icons/icon-512.png", "512x512", "any"),
    ("icons/icon-maskable-512.png", "512x512", "maskable"),
)


@login_required
@require_GET
def help_page(request: HttpRequest) -> HttpResponse:
    context = {
        "retention": words.hours(settings.FILE_RETENTION_HOURS),
        "bookmarklet": bookmarklet(request),
        "sites_count": len(sites.known()),
        "api_address": request.build_absolute_uri(reverse("api:download-list")),
    }
    return render(request, "help.html", context)


def bookmarklet(request: HttpRequest) -> str:
    """Run by a bookmark on a page of another site, it brings that page's address here. It holds no key."""
    address = json.dumps(request.build_absolute_uri(reverse("home")))
    return f"javascript:void(open({address}+'?url='+encodeURIComponent(location.href)))"


@require_GET
def send(request: HttpRequest) -> HttpResponse:
    """What a bookmark with a key opens. For everybody: who sends is known by the key, which only the browser has."""
    return render(request, "send.html")


@require_GET
def error_codes(request: HttpRequest) -> HttpResponse:
    """Where the `type` of a problem document leads: for everybody, since a refused client has no session."""
    jobs = [(str(code), kind) for code, kind in ERRORS.items()]
    requests = sorted((code, title) for code, title in TITLES.items() if code not in ERRORS)
    return render(request, "error_codes.html", {"jobs": jobs, "requests": requests})


@require_GET
def manifest(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django's signature
    icons = [{"src": static("logo.svg"), "type": "image/svg+xml", "sizes": "any", "purpose": "any"}]
    icons += [{"src": static(path), "type": "image/png", "sizes": sizes, "purpose": use} for path, sizes, use in ICONS]
    shortcuts = [{"name": gettext(name), "url": reverse(view)} for name, view in SHORTCUTS]
    said = {"lang": get_language(), "description": gettext(MANIFEST["description"]), "shortcuts": shortcuts}
    return JsonResponse(MANIFEST | said | {"icons": icons}, content_type="application/manifest+json")


@require_GET
def offline(request: HttpRequest) -> HttpResponse:
    """Kept by browsers, and shown by them when they cannot reach us: without context processors nobody's."""
    return HttpResponse(render_to_string("offline.html", {"product": Product(request)}))


@require_GET
def service_worker(request: HttpRequest) -> HttpResponse:
    """At the root, since a browser gives a script only the addresses below its own."""
    answer = render(request, "sw.js", {"parts": OFFLINE_PARTS}, content_type="text/javascript")
    answer["Cache-Control"] = "no-cache"
    return answer


# For everybody, too, and remembered by a cookie.
language = require_POST(set_language)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """For everybody, signed in or not: a cookie, so that the server can draw the page in the right colours at once."""
    chosen = request.POST.get("theme", "")
    response = back(request)
    if chosen in THEMES:
        secure = settings.SESSION_COOKIE_SECURE
        response.set_cookie(THEME_COOKIE, chosen, max_age=THEME_LASTS, secure=secure, httponly=True, samesite="Lax")
    return response
