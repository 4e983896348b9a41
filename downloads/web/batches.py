"""Batches: the list of them, one with its entries, and what is done to all of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext, gettext_noop, ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts.principal import principal_of
from downloads import batches
from downloads.api.problem import Problem
from downloads.engine.errors import kind_of
from downloads.models import Batch, BatchKind, MediaFile, Status, Tally, TransitionError
from downloads.web import answers, listing, remedies
from downloads.web.library import as_id

PAGE_SIZE = 25
ENTRIES_SHOWN = 100
LABELS = {
    "expanding": gettext_noop("Reading the list"),
    "queued": gettext_noop("Queued"),
    "running": gettext_noop("Running"),
    "completed": gettext_noop("Completed"),
    "failed": gettext_noop("Failed"),
    "cancelled": gettext_noop("Cancelled"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A batch as pages show it."""

    batch: Batch
    tally: Tally

    @property
    def status(self) -> str:
        return self.tally.status_of(self.batch)

    @property
    def label(self) -> str:
        return gettext(LABELS[self.status])

    @property
    def percent(self) -> float:
        return self.tally.percent_of(self.batch)

    @property
    def name(self) -> str:
        if self.batch.title or self.batch.url:
            return self.batch.title or self.batch.url
        return ngettext("{count} link", "{count} links", self.tally.total).format(count=self.tally.total)

    @property
    def failed(self) -> int:
        return self.tally.counts[Status.FAILED]

    @property
    def completed(self) -> int:
        return self.tally.counts[Status.COMPLETED]

    @property
    def can_be_retried(self) -> bool:
        return bool(self.failed or (self.batch.has_ended and self.batch.error_code))

    @property
    def remedy(self) -> str:
        kind = kind_of(self.batch.error_code)
        return gettext(kind.remedy) if kind else ""

    @property
    def is_list(self) -> bool:
        return self.batch.kind != BatchKind.BATCH


def cards_of(found: list[Batch]) -> list[Card]:
    tallies = Tally.of(found)
    return [Card(batch=batch, tally=tallies[batch.pk]) for batch in found]


@login_required
@require_GET
def all_batches(request: HttpRequest) -> HttpResponse:
    """Newest first, from `before` on."""
    owned = Batch.objects.owned_by(principal_of(request).user)
    before = as_id(request.GET.get("before", ""))
    found = list((owned.filter(pk__lt=before) if before else owned)[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    context = {
        "cards": cards_of(shown),
        "older": shown[-1].pk if len(found) > PAGE_SIZE else None,
        "is_first": before is None,
    }
    template = "batches/list.html" if request.headers.get("HX-Request") else "batches/all.html"
    return render(request, template, context)


@login_required
@require_GET
def batch(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """To htmx only what changes while it runs."""
    found = own_batch(request, batch_id)
    template = "batches/status.html" if request.headers.get("HX-Request") else "batches/page.html"
    return render(request, template, batch_context(request, found))


@login_required
@require_POST
def act(request: HttpRequest, batch_id: uuid.UUID, verb: str) -> HttpResponse:
    if verb not in {"cancel", "retry"}:
        raise Http404
    found = own_batch(request, batch_id)
    try:
        count = batches.cancel(found) if verb == "cancel" else batches.retry(found, principal_of(request))
    except TransitionError:
        return answers.say(request, messages.WARNING, gettext("Nothing was done: there is nothing to try again."))
    except Problem as problem:
        return answers.say(request, messages.WARNING, problem.detail)
    done = gettext("Cancelled") if verb == "cancel" else gettext("Queued again")
    return answers.say(request, messages.SUCCESS, f"{done}: {count}." if count else f"{done}.")


def own_batch(request: HttpRequest, batch_id: uuid.UUID) -> Batch:
    return get_object_or_404(Batch.objects.owned_by(principal_of(request).user), pk=batch_id)


def batch_context(request: HttpRequest, found: Batch) -> dict[str, Any]:
    (card,) = cards_of([found])
    pages = max(1, -(-card.tally.total // ENTRIES_SHOWN))
    number = min(max(_number(request.GET.get("page", "")), 1), pages)
    begin = (number - 1) * ENTRIES_SHOWN
    jobs = found.jobs.present().in_order().prefetch_related(Prefetch("files", MediaFile.objects.stored()))
    return {
        "card": card,
        "from_here": answers.from_here(request),
        "batch": found,
        "jobs": list(jobs[begin : begin + ENTRIES_SHOWN]),
        "page": number,
        "pages": pages,
        "previous": number - 1,
        "next": number + 1 if number < pages else 0,
        "archive_bytes": MediaFile.objects.archivable().filter(job__batch=found).total_bytes(),
        "steps": remedies.of_link(found.error_code, found.url),
    }


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 1  # noqa: PLR2004


def under_way(request: HttpRequest) -> list[Card]:
    """For the first page."""
    owned = Batch.objects.owned_by(principal_of(request).user)
    return cards_of(list(owned.live()[: listing.WAITING_SHOWN]))
