"""A playlist or channel to choose from: its entries by search, filters and order, and a batch of what is ticked.

The probe lane reads the list, and the page shows what is in its row. Entries come a hundred at a time; what is chosen
among all of them is kept by a script; where none runs, it is what is ticked on one page and what is named by number.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.limits import limit_form
from accounts.principal import principal_of
from downloads import addresses, batches, cookies, probing, thumbnails
from downloads.api.problem import Problem
from downloads.engine.errors import kind_of
from downloads.models import LastChoices, Probe, ProbeKind
from downloads.selection import ITEMS_PATTERN, Entry, Selection, is_backwards, named_by, numbers, ordered, passes
from downloads.web import guesses, remedies
from downloads.web.forms import DownloadForm
from downloads.web.home import first_choices, jars_of

PAGE_SIZE = 100
READS_PER_MINUTE = 30
MAX_ITEMS = 100_000
SECONDS_A_MINUTE = 60
ORDERS = [
    ("", _("As the site has it")),
    ("upload_date", _("Latest first")),
    ("view_count", _("Most viewed first")),
    ("duration", _("Longest first")),
    ("title", _("By title")),
]
VIEWS = [("", _("Grid")), ("list", _("List"))]
WRONG_ITEMS = _("Write numbers and ranges, such as 1-10, 15, 20-.")
NOTHING_CHOSEN = _("Choose something first.")


class FilterForm(forms.Form):
    """What of the list is shown. A field that cannot be understood asks for nothing."""

    q = forms.CharField(required=False, max_length=200)
    sort = forms.ChoiceField(label=_("Order"), required=False, choices=ORDERS)
    min_minutes = forms.IntegerField(label=_("From minutes"), required=False, min_value=0, max_value=100_000)
    max_minutes = forms.IntegerField(label=_("To minutes"), required=False, min_value=0, max_value=100_000)
    after = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    view = forms.ChoiceField(label=_("Show as"), required=False, choices=VIEWS, initial="", widget=forms.RadioSelect)
    before = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def of(self, entries: Sequence[Entry]) -> list[Entry]:
        self.is_valid()
        asked, words = self.cleaned_data, str(self.cleaned_data.get("q") or "").casefold().split()
        bounds = {
            "min_duration": _seconds(asked.get("min_minutes")),
            "max_duration": _seconds(asked.get("max_minutes")),
            "date_after": _day(asked.get("after")),
            "date_before": _day(asked.get("before")),
        }
        found = [entry for entry in entries if passes(entry, bounds) and all(word in _text(entry) for word in words)]
        return ordered(found, asked.get("sort") or None)

    @property
    def address(self) -> str:
        """What of the query is not usual."""
        return urlencode({name: value for name in self.fields if (value := self.data.get(name, ""))})


class ListForm(DownloadForm):
    """The options of what is chosen; the link is the list's."""

    skip_downloaded = forms.BooleanField(label=_("Leave out what I have downloaded before"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("clip_start_sec", "clip_end_sec"):
            del self.fields[name]

    def options(self) -> dict[str, Any]:
        return {name: value for name, value in super().options().items() if name != "skip_downloaded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`picture`: the address of its thumbnail with us."""

    entry: Entry
    picture: str
    day: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Of `found`, what is shown now. `numbers` of all of it are for the script."""

    found: list[Entry]
    rows: list[Row]
    number: int
    pages: int
    following: str
    previous: str

    @property
    def numbers(self) -> str:
        return ",".join(str(entry["playlist_index"]) for entry in self.found)


@login_required
@require_POST
@limit_form("lists", READS_PER_MINUTE)
def read(request: HttpRequest) -> HttpResponse:
    """Has a list read: of a probe's link, with its cookies, or of any other."""
    return _read(request)


def _read(request: HttpRequest) -> HttpResponse:
    user = principal_of(request).user
    url, jar = request.POST.get("url", ""), None
    if seen := _seen(request):
        url, jar = seen.url, seen.cookies
    try:
        jar = cookies.usable(user, jar.pk) if jar else None
        probe = probing.ask(user, ProbeKind.LIST, addresses.parse(url.strip()).url, jar)
    except (addresses.AddressError, Problem) as error:
        messages.error(request, gettext(str(error)))
        return redirect("home")
    return redirect("list", probe.pk)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@limit_form("choose", READS_PER_MINUTE)
def browse(request: HttpRequest, probe_id: uuid.UUID) -> HttpResponse:
    mine = Probe.objects.owned_by(principal_of(request).user).filter(kind=ProbeKind.LIST)
    if request.method == "POST":
        probe = mine.filter(pk=probe_id).first()
        return _download(request, probe) if probe and probe.result else _read_again(request)
    probe = get_object_or_404(mine, pk=probe_id)
    if not probe.result:
        return _waiting(request, probe)
    if "wait" in request.GET and request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": reverse("list", args=[probe.pk])})
    return _page(request, probe, ListForm(initial=_choices(request, probe), jars=jars_of(request)))


# --- Downloading what was chosen --------------------------------------------------------------------------------


def _download(request: HttpRequest, probe: Probe) -> HttpResponse:
    data = request.POST.copy()
    data.update({"urls": probe.url, "whole_list": "on"})
    data["items"] = ""
    form = ListForm(data, jars=jars_of(request))
    chosen = _chosen(request, probe, form)
    if form.is_valid() and not chosen:
        form.add_error(None, NOTHING_CHOSEN)
    if form.is_valid():
        selection = Selection(items=numbers(chosen), skips_downloaded=form.cleaned_data["skip_downloaded"])
        wish = replace(form.wish(), selection=selection)
        try:
            batch = batches.submit(principal_of(request), wish, form.requests[0], probe)
        except Problem as problem:
            form.add_error(None, gettext(problem.detail))
        else:
            LastChoices.objects.keep(principal_of(request).user, form.remembered())
            return redirect("batch", batch.pk)
    return _page(request, probe, form, status=422)


def _chosen(request: HttpRequest, probe: Probe, form: ListForm) -> set[int]:
    """The numbers of entries: all that are found, or those that are ticked and named. A script names all of them."""
    entries = (probe.result or {})["items"]
    if "all" in request.POST:
        return {entry["playlist_index"] for entry in FilterForm(request.GET).of(entries)}
    ticked = {int(text) for text in request.POST.getlist("entry") if re.fullmatch(r"[0-9]{1,7}", text)}
    ticked &= {entry["playlist_index"] for entry in entries}
    items = ",".join(re.findall(r"[^,\s]+", re.sub(r"\s*-\s*", "-", request.POST.get("items", ""))))
    if not items:
        return ticked
    if len(items) > MAX_ITEMS or not re.fullmatch(ITEMS_PATTERN, items) or is_backwards(items):
        form.add_error(None, WRONG_ITEMS)
        return set()
    return named_by(items, len(entries)) | ticked


def _read_again(request: HttpRequest) -> HttpResponse:
    """What was shown has been forgotten since, and its numbers may mean something else by now."""
    if not request.POST.get("url"):
        raise Http404
    messages.warning(request, gettext("The list is read again, since it was a while ago. Choose once more."))
    return _read(request)


def _seen(request: HttpRequest) -> Probe | None:
    try:
        probe_id = uuid.UUID(request.POST.get("probe", ""))
    except ValueError:
        return None
    return Probe.objects.owned_by(principal_of(request).user).select_related("cookies").filter(pk=probe_id).first()


def _choices(request: HttpRequest, probe: Probe) -> dict[str, Any]:
    kept = {name: value for name, value in first_choices(request).items() if name != "urls"}
    return kept | ({"cookies_id": str(probe.cookies_id)} if probe.cookies_id else {})


# --- Showing it -------------------------------------------------------------------------------------------------


def _waiting(request: HttpRequest, probe: Probe) -> HttpResponse:
    kind, steps = kind_of(probe.error_code), remedies.of_link(probe.error_code, probe.url)
    context = {"probe": probe, "kind": kind, "steps": steps}
    return render(request, "lists/waiting.html", context)


def _page(request: HttpRequest, probe: Probe, form: ListForm, status: int = 200) -> HttpResponse:
    context = _context(request, probe) | {"form": form}
    chosen_rate = guesses.rate_of(str(form["quality"].value()), str(form["audio_quality"].value()))
    context["items"] = request.POST.get("items", "")
    context["all_found"] = guesses.total(context["page"].found, chosen_rate)
    return render(request, "lists/page.html", context, status=status)


def _context(request: HttpRequest, probe: Probe) -> dict[str, Any]:
    filter_form = FilterForm(request.GET)
    found: dict[str, Any] = probe.result or {}
    return {
        "probe": probe,
        "list": found,
        "count": len(found["items"]),
        "lengths": ",".join(str(round(entry["duration"] or 0)) for entry in found["items"]),
        "rates": guesses.rates(),
        "name": found["title"] or found["uploader"] or probe.url,
        "filter": filter_form,
        "page": _page_of(probe, filter_form, request.GET),
    }


def _page_of(probe: Probe, filter_form: FilterForm, query: QueryDict) -> Page:
    found = filter_form.of((probe.result or {})["items"])
    text = query.get("page", "")
    pages = max(1, -(-len(found) // PAGE_SIZE))
    number = min(max(int(text), 1), pages) if re.fullmatch(r"[0-9]{1,6}", text) else 1
    begin = (number - 1) * PAGE_SIZE
    return Page(
        found=found,
        rows=[_row(probe, entry) for entry in found[begin : begin + PAGE_SIZE]],
        number=number,
        pages=pages,
        following=_address(probe, filter_form, number + 1) if number < pages else "",
        previous=_address(probe, filter_form, number - 1) if number > 1 else "",
    )


def _address(probe: Probe, filter_form: FilterForm, number: int) -> str:
    parts = [part for part in (filter_form.address, f"page={number}") if part]
    return f"{reverse('list', args=[probe.pk])}?{'&'.join(parts)}"


def _row(probe: Probe, entry: Entry) -> Row:
    picture = thumbnails.address_of(probe.owner, entry["thumbnail"])
    return Row(entry=entry, picture=picture, day=_date(entry["upload_date"]))


def _text(entry: Entry) -> str:
    return f"{entry['title'] or entry['url']} {entry['uploader'] or ''}".casefold()


def _seconds(minutes: int | None) -> int | None:
    return None if minutes is None else minutes * SECONDS_A_MINUTE


def _day(day: date | None) -> str | None:
    return day.strftime("%Y%m%d") if day else None


def _date(text: str | None) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date() if text else None  # noqa: DTZ007 -- a day, in no zone
    except ValueError:
        return None
