"""The library: everything that was ever asked for, by search, status and page; and what is done to several at once."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import retarget

from accounts.principal import Principal, principal_of
from accounts.quotas import limits_of
from downloads import discards, tagging
from downloads.api.problem import Problem
from downloads.engine.errors import JobError
from downloads.library import Filter, select
from downloads.models import Job, Status, TransitionError
from downloads.models.jobs import JobQuerySet
from downloads.web import answers, listing, words
from downloads.web.words import Action

MAX_SEARCH = 200
TAGS_SHOWN = 100
NEARLY_FULL = 0.9
DELETE, TAG, UNTAG = "delete", "tag", "untag"
# The element that is fetched anew while downloads run, and the one around it.
ROWS, LIST = "rows", "library"
# (verb, label, icon) of what can be done to several.
BULK = [(verb, words.BY_VERB[verb].label, words.BY_VERB[verb].icon) for verb in ("retry", "keep", "cancel")]
BULK += [(DELETE, _("Delete"), "trash")]


@login_required
@require_GET
def library(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Target") == ROWS:
        return rows(request)
    template = "library/list.html" if request.headers.get("HX-Request") else "library/page.html"
    return render(request, template, rows_context(request) | library_context(request))


def rows(request: HttpRequest) -> HttpResponse:
    """What changes by itself; all of the list when nothing is left of it."""
    context = rows_context(request)
    if context["page"].jobs:
        return render(request, "library/refreshed.html", context)
    return retarget(render(request, "library/list.html", context | library_context(request)), f"#{LIST}")


@login_required
@require_POST
def selection(request: HttpRequest) -> HttpResponse:
    """One verb for all that are ticked."""
    jobs = list(ticked(request))
    verb = request.POST.get("verb", "")
    if not jobs:
        return answers.say(request, messages.WARNING, gettext("Tick the downloads first."))
    if verb == DELETE:
        return delete(request, jobs)
    if verb in {TAG, UNTAG}:
        return retag(request, jobs, verb)
    if action := words.BY_VERB.get(verb):
        try:
            done = perform(principal_of(request), action, jobs)
        except Problem as problem:
            return answers.say(request, messages.WARNING, problem.detail)
        return answers.say(request, *told(action, done, len(jobs)))
    return answers.say(request, messages.WARNING, gettext("Nothing was done."))


def delete(request: HttpRequest, jobs: list[Job]) -> HttpResponse:
    gone = Job.objects.filter(pk__in=[job.pk for job in jobs]).discard()
    said = gettext("{done} of {asked} deleted.").format(done=len(gone), asked=len(jobs))
    answers.offer_undo(request, *told_of(len(gone), len(jobs), said), gone[0].discarded_at if gone else None)
    return answers.back(request, "library")


def retag(request: HttpRequest, jobs: list[Job], verb: str) -> HttpResponse:
    try:
        tags = tagging.named(request.POST.get("tag", ""))
    except ValidationError as refusal:
        return answers.say(request, messages.WARNING, refusal.messages[0])
    done = tagging.add(jobs, tags) if verb == TAG else tagging.remove(jobs, tags)
    label = gettext("tagged “{tags}”") if verb == TAG else gettext("not tagged “{tags}” any more")
    said = gettext("{done} of {asked} done: {action}.")
    said = said.format(done=done, asked=len(jobs), action=label.format(tags=", ".join(tags)))
    if done == len(jobs):
        return answers.say(request, messages.SUCCESS, said)
    why = gettext("A download has at most ten tags.")
    return answers.say(request, messages.WARNING, f"{said} {why}")


@login_required
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """What the button beside "deleted" does; its `at` is when that was."""
    try:
        at = datetime.fromisoformat(request.POST.get("at", ""))
        restored = discards.undo(principal_of(request).user, at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        restored = 0
    except JobError as error:
        return answers.say(
            request, messages.WARNING, gettext("It stays deleted. {why}").format(why=gettext(error.message))
        )
    if not restored:
        return answers.say(request, messages.WARNING, gettext("It is too late to undo that."))
    return answers.say(request, messages.SUCCESS, gettext("Nothing was deleted: it is all back."))


def perform(principal: Principal, action: Action, jobs: list[Job]) -> int:
    """How many it could be done to. Raises Problem at the first that the quota has no room for."""
    done = 0
    for job in jobs:
        with contextlib.suppress(TransitionError):
            action.perform(principal, job)
            done += 1
    return done


def told(action: Action, done: int, asked: int) -> tuple[int, str]:
    said = gettext("{done} of {asked} done: {action}.").format(done=done, asked=asked, action=action.label.lower())
    return told_of(done, asked, said)


def told_of(done: int, asked: int, said: str) -> tuple[int, str]:
    if done < asked:
        why = gettext("The state of the others does not allow it.")
        return messages.WARNING, f"{said} {why}"
    return messages.SUCCESS, said


def ticked(request: HttpRequest) -> JobQuerySet:
    ids = [found for text in request.POST.getlist("job")[: listing.PAGE_SIZE * 4] if (found := as_id(text))]
    owned: JobQuerySet = Job.objects.owned_by(principal_of(request).user)
    return owned.filter(pk__in=ids).prefetch_related("files")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address of the library asks for."""

    status: str
    search: str
    tag: str

    def address(self, **changes: Any) -> str:
        """That of the first page, with the changes; a `before` or `after` leads to another."""
        asked = {"status": self.status, "tag": self.tag, "q": self.search} | changes
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"{reverse('library')}?{query}" if query else reverse("library")


def asked_for(request: HttpRequest) -> Asked:
    status, tag, search = (request.GET.get(name, "").replace("\0", "").strip() for name in ("status", "tag", "q"))
    known = status if status in Status.values else ""
    return Asked(status=known, search=search[:MAX_SEARCH], tag=tag[: tagging.MAX_LENGTH])


def rows_context(request: HttpRequest) -> dict[str, Any]:
    owner, asked = principal_of(request).user, asked_for(request)
    wanted = Filter(statuses=[asked.status] if asked.status else None, text=asked.search, tag=asked.tag or None)
    page = page_asked_for(request, select(owner, wanted))
    return {
        "page": page,
        "asked": asked,
        "from_here": answers.from_here(request),
        "filters": filters(Job.objects.belonging_to(owner).count_present_by_status(), asked),
        "older": asked.address(before=page.older) if page.older else "",
        "newer": asked.address(after=page.newer) if page.newer else "",
    }


def library_context(request: HttpRequest) -> dict[str, Any]:
    """Of all that somebody has, which is more to read."""
    owner = principal_of(request).user
    owned = Job.objects.owned_by(owner)
    stored, limit = owned.stored_bytes(), limits_of(owner).stored_bytes
    return {
        "tags": tags_of(owned, asked_for(request)),
        "stored_bytes": stored,
        "stored_limit": limit,
        "is_nearly_full": limit is not None and stored >= limit * NEARLY_FULL,
        "bulk": BULK,
    }


def page_asked_for(request: HttpRequest, jobs: JobQuerySet) -> listing.Page:
    if after := as_id(request.GET.get("after", "")):
        page = listing.page_of(jobs, "after", after)
    else:
        page = listing.page_of(jobs, "before", as_id(request.GET.get("before", "")))
    # What was there may have been deleted.
    return page if page.jobs else listing.page_of(jobs)


def filters(counts: dict[str, int], asked: Asked) -> list[dict[str, Any]]:
    """Links to what there is, and to what is being looked at."""
    shown = [("", gettext("All"), sum(counts.values()))]
    shown += [
        (status, str(Status(status).label), count)
        for status, count in counts.items()
        if count or status == asked.status
    ]
    return [
        {"label": label, "count": count, "address": asked.address(status=status), "is_chosen": status == asked.status}
        for status, label, count in shown
    ]


def tags_of(owned: JobQuerySet, asked: Asked) -> list[dict[str, Any]]:
    """Links to the tags that are used most; the chosen one's leads back to all."""
    used = [tag for tag, _count in tagging.in_use(owned)][:TAGS_SHOWN]
    shown = used if not asked.tag or asked.tag in used else [asked.tag, *used]
    return [
        {"label": tag, "address": asked.address(tag="" if tag == asked.tag else tag), "is_chosen": tag == asked.tag}
        for tag in shown
    ]


def as_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
