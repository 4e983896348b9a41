"""A look at a link before it is downloaded: what it is, how long, and how large it would be in each quality.

A worker of the probe lane looks. The page asks again until it has, by itself or by a button where no script runs.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import get_language, get_language_info, gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.limits import limit_form
from accounts.principal import Principal, principal_of
from downloads import addresses, cookies, probing, thumbnails
from downloads.api import estimates
from downloads.api.problem import Problem
from downloads.api.requests import DownloadRequestSerializer
from downloads.engine.errors import ErrorKind, kind_of
from downloads.models import Probe, ProbeKind
from downloads.web import remedies
from downloads.web.forms import QUALITIES, DownloadForm
from downloads.web.home import home_page, jars_of

LOOKS_PER_MINUTE = 60
LANGUAGES_SHOWN = 12
# How yt-dlp marks the language that is spoken.
SAID = "-orig"
# What it lists beside them.
NO_LANGUAGES = frozenset({"live_chat", "rechat", "danmaku"})
# What the sizes depend on.
CHOICES = ("quality", "video_format", "audio_format", "clip_start_sec", "clip_end_sec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`is_offered` is False where the next best would be taken."""

    quality: str
    label: str
    size_bytes: int | None
    is_offered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    code: str
    is_automatic: bool = False

    @property
    def name(self) -> str:
        """In the reader's own language, where Django knows it."""
        code = self.code.removesuffix(SAID)
        try:
            known = get_language_info(code.lower())
        except KeyError:
            return code
        name = str(known["name_translated"])
        return name if known["code"] == code.lower() else f"{name} ({code})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a page shows of a probe; nothing but the link while it is under way."""

    probe: Probe
    sizes: list[Size]
    reasons: list[str]

    @property
    def about(self) -> dict[str, Any]:
        found: dict[str, Any] = (self.probe.result or {}).get("metadata", {})
        return found

    @property
    def host(self) -> str:
        return addresses.parse(self.probe.url).host

    @property
    def trouble(self) -> ErrorKind | None:
        return kind_of(self.probe.error_code)

    @property
    def has_sizes(self) -> bool:
        return any(size.size_bytes for size in self.sizes)

    @property
    def picture(self) -> str:
        return thumbnails.address_of(self.probe.owner, self.about.get("thumbnail"))

    @property
    def steps(self) -> list[remedies.Step]:
        return remedies.of_link(self.probe.error_code, self.probe.url)

    @property
    def languages(self) -> list[Language]:
        """Of the subtitles that there are; of those that the site makes by machine, what was said and the reader's."""
        found = self.probe.result or {}
        made = sorted(found.get("subtitles", {}).keys() - NO_LANGUAGES)
        near = {get_language(), settings.LANGUAGE_CODE}
        heard = [code for code in sorted(found.get("automatic_captions", {})) if code.endswith(SAID) or code in near]
        automatic = [Language(code=code, is_automatic=True) for code in heard if code not in made]
        return [*(Language(code=code) for code in made), *automatic][:LANGUAGES_SHOWN]


@login_required
@require_POST
@limit_form("preview", LOOKS_PER_MINUTE)
def look(request: HttpRequest) -> HttpResponse:
    """Of what the form on the first page holds; the form comes back as it was sent."""
    form = DownloadForm(request.POST, jars=jars_of(request))
    probe = _ask(request, form)
    shown = preview_of(principal_of(request), probe, form.data) if probe else None
    if request.headers.get("HX-Request"):
        context: dict[str, Any] = {"preview": shown, "said": [] if probe else form.errors.get("urls", [])}
        return render(request, "home/preview.html", context)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return home_page(request, form, status=status, preview=shown)


@never_cache
@login_required
@require_GET
def looked(request: HttpRequest, probe_id: uuid.UUID) -> HttpResponse:
    mine = Probe.objects.owned_by(principal_of(request).user).filter(kind=ProbeKind.MEDIA)
    probe = get_object_or_404(mine, pk=probe_id)
    return render(request, "home/preview.html", {"preview": preview_of(principal_of(request), probe, request.GET)})


@login_required
@require_GET
def thumbnail(request: HttpRequest) -> HttpResponse:
    owner, url = principal_of(request).user, request.GET.get("of", "")
    if not thumbnails.is_of(owner, url, request.GET.get("by", "")):
        raise Http404
    return HttpResponse(headers=thumbnails.headers_of(owner, url))


def _ask(request: HttpRequest, form: DownloadForm) -> Probe | None:
    """None when there is nothing to look at; the form then says why."""
    form.is_valid()
    links = form.cleaned_data.get("urls", [])
    if len(links) > 1:
        form.add_error("urls", gettext("Look at one link at a time."))
    if len(links) != 1 or "cookies_id" in form.errors:
        return None
    user = principal_of(request).user
    try:
        jar = cookies.usable(user, form.cleaned_data.get("cookies_id") or None)
        return probing.ask(user, ProbeKind.MEDIA, addresses.parse(links[0]).url, jar)
    except Problem as problem:
        form.refuse(problem)
        return None


def preview_of(principal: Principal, probe: Probe, chosen: Mapping[str, Any]) -> Preview:
    """`chosen`: what the form holds of CHOICES, as it was sent."""
    if not probe.result:
        return Preview(probe=probe, sizes=[], reasons=[])
    wanted, found = _wanted(probe, chosen), probe.result
    sizes = [
        Size(quality=quality, label=str(label), size_bytes=choice.size_bytes, is_offered=choice.is_available)
        for quality, label in QUALITIES
        for choice in [estimates.choice(wanted | {"quality": quality}, found)]
    ]
    verdict = estimates.estimate(principal, wanted, found)
    return Preview(probe=probe, sizes=sizes, reasons=[reason["message"] for reason in verdict["reasons"]])


def _wanted(probe: Probe, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """A valid request: of what cannot be used, the usual."""
    form = DownloadForm(chosen)
    form.is_valid()
    picked = {name: value for name in CHOICES if (value := form.cleaned_data.get(name)) not in (None, "")}
    for data in (picked, {}):
        serializer = DownloadRequestSerializer(data={**data, "url": probe.url})
        if serializer.is_valid():
            return dict(serializer.validated_data)
    raise Http404
