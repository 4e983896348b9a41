"""The page of supported sites: what the yt-dlp of this server knows by name, to be searched by name, host or link."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from downloads import sites, ytdlp_versions

MAX_SEARCH = 300


@login_required
@require_GET
def listed(request: HttpRequest) -> HttpResponse:
    search = request.GET.get("q", "").strip()[:MAX_SEARCH]
    context = {
        "search": search,
        "found": sites.matching(search),
        "count": len(sites.known()),
        "ytdlp_version": ytdlp_versions.in_use(),
    }
    return render(request, "sites.html", context)
