"""The page from which a file is shared: its links, a form for another, and the way to take one back."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.limits import limit_form
from accounts.principal import principal_of
from downloads.api.link_shapes import MAX_DOWNLOADS, MAX_LABEL_LENGTH
from downloads.links import address_of
from downloads.models import Link, MediaFile, TooManyLinksError
from downloads.models.link import is_shareable, latest_end

CHANGES_PER_MINUTE = 60
SHOWN = 200
LIFETIMES = {3600: _("an hour"), 86_400: _("a day"), 604_800: _("a week"), 2_592_000: _("30 days")}
LONGEST_CHOICE = "0"
LATEST_WORDS = _("as long as the file")


class LinkForm(forms.Form):
    lifetime = forms.TypedChoiceField(
        label=_("Works for"),
        coerce=int,
        choices=[(LONGEST_CHOICE, LATEST_WORDS), *((str(seconds), said) for seconds, said in LIFETIMES.items())],
        initial=LONGEST_CHOICE,
        help_text=_("Never longer than the file is kept, nor than a year."),
    )
    max_downloads = forms.IntegerField(
        label=_("Downloads"),
        required=False,
        min_value=1,
        max_value=MAX_DOWNLOADS,
        help_text=_("Nothing is no limit. Seeking in a player and resuming count once."),
    )
    label = forms.CharField(
        label=_("For whom"), required=False, max_length=MAX_LABEL_LENGTH, help_text=_("Only you are shown this.")
    )

    def end(self, file: MediaFile, now: datetime) -> datetime:
        seconds: int = self.cleaned_data["lifetime"]
        latest = latest_end(file, now)
        return min(now + timedelta(seconds=seconds), latest) if seconds else latest


@login_required
@require_http_methods(["GET", "POST"])
@limit_form("links", CHANGES_PER_MINUTE)
def links(request: HttpRequest, file_id: uuid.UUID) -> HttpResponse:
    owned = MediaFile.objects.owned_by(principal_of(request).user).select_related("job")
    file = get_object_or_404(owned, pk=file_id)
    if request.method == "GET":
        return _page(request, file, LinkForm())
    form = LinkForm(request.POST)
    if not form.is_valid() or not is_shareable(file, timezone.now()):
        return _page(request, file, form, status=400)
    _issue(request, file, form)
    return redirect("links", file.pk)


@login_required
@require_POST
@limit_form("links", CHANGES_PER_MINUTE)
def revoke(request: HttpRequest, link_id: uuid.UUID) -> HttpResponse:
    link = get_object_or_404(Link.objects.owned_by(principal_of(request).user), pk=link_id)
    link.revoke(timezone.now())
    messages.success(request, gettext("Revoked: the link leads nowhere any more."))
    return redirect("links", link.file_id)


def _issue(request: HttpRequest, file: MediaFile, form: LinkForm) -> None:
    now, wanted = timezone.now(), form.cleaned_data
    chosen = {"max_downloads": wanted["max_downloads"], "label": wanted["label"]}
    try:
        Link.objects.issue(file, principal_of(request).user, now, expires_at=form.end(file, now), **chosen)
    except TooManyLinksError:
        messages.error(request, gettext("This file has too many links. Revoke some of them first."))
    else:
        messages.success(request, gettext("The link is made. Whoever has it can fetch this file."))


def _page(request: HttpRequest, file: MediaFile, form: LinkForm, status: int = 200) -> HttpResponse:
    now = timezone.now()
    found = Link.objects.filter(file=file).newest_first().select_related("file")[:SHOWN]
    shown = [(link, link.state(now), address_of(link)) for link in found]
    context = {"file": file, "job": file.job, "form": form, "links": shown, "is_shareable": is_shareable(file, now)}
    return render(request, "jobs/links.html", context, status=status)
