"""How a page answers a form: by going back to where it was sent from, or to htmx by saying what has changed."""

from __future__ import annotations

import json
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

JOBS_CHANGED = "jobs-changed"
NEXT = "next"


def back(request: HttpRequest, fallback: str = "home") -> HttpResponse:
    """To the address in the form's `next`, if that is on this server."""
    asked = request.POST.get(NEXT, "")
    return redirect(asked if is_ours(request, asked) else resolve_url(fallback))


def is_ours(request: HttpRequest, address: str) -> bool:
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())


def from_here(request: HttpRequest) -> str:
    """What links of this page to a job end in, so that one comes back to the same search and page."""
    here = request.get_full_path()
    return "" if here == reverse("library") else f"?{urlencode({NEXT: here})}"


def came_from(request: HttpRequest) -> str:
    """The place in the library, or the batch, that led to a job; empty for the library as such."""
    asked = request.GET.get(NEXT, "")
    path = urlsplit(asked).path if is_ours(request, asked) else ""
    return asked if path == reverse("library") or path.startswith(f"{reverse('batches')}/") else ""


def offer_undo(request: HttpRequest, level: int, text: str, at: datetime | None) -> None:
    """On the page that comes next, which makes a button of the moment (templates/parts/notices.html)."""
    messages.add_message(request, level, text, extra_tags=at.isoformat() if at else "")


def say(request: HttpRequest, level: int, text: str, changed: str = JOBS_CHANGED) -> HttpResponse:
    """Tells the person, and has what shows jobs, or whatever has changed, fetched again by the page."""
    if request.headers.get("HX-Request"):
        tag = messages.DEFAULT_TAGS[level]
        events = {changed: {}, "notice": {"level": tag, "text": text}}
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps(events)})
    messages.add_message(request, level, text)
    return back(request)
