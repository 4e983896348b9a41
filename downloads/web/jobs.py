"""One job's page, its log, and the buttons that act on it."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_GET, require_POST

from accounts.principal import principal_of
from downloads import discards
from downloads.api.problem import Problem
from downloads.models import Job, JobLog, MediaFile, Status, TransitionError
from downloads.models.event import JobLogQuerySet
from downloads.web import answers, listing, remedies, story, words

LOG_LINES_SHOWN = 500
DEFAULT_LEVEL = "info"
LEVELS = {
    "debug": gettext_noop("Debug"),
    "info": gettext_noop("Info"),
    "warning": gettext_noop("Warning"),
    "error": gettext_noop("Error"),
}


@login_required
@require_GET
def job(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """To htmx only what changes while the job runs."""
    found = own_job(request, job_id)
    template = "jobs/status.html" if request.headers.get("HX-Request") else "jobs/page.html"
    return render(request, template, job_context(request, found))


@login_required
@require_GET
def log(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    found = own_job(request, job_id)
    template = "jobs/log.html" if request.headers.get("HX-Request") else "jobs/log_page.html"
    return render(request, template, log_context(request, found))


@login_required
@require_POST
def act(request: HttpRequest, job_id: uuid.UUID, verb: str) -> HttpResponse:
    action = words.BY_VERB.get(verb)
    if action is None:
        raise Http404
    try:
        action.perform(principal_of(request), own_job(request, job_id))
    except TransitionError as error:
        return answers.say(request, messages.WARNING, nothing_done(error.status))
    except Problem as problem:
        return answers.say(request, messages.WARNING, problem.detail)
    return answers.say(request, messages.SUCCESS, str(action.done))


@login_required
@require_POST
def delete(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    found = own_job(request, job_id)
    if gone := Job.objects.filter(pk=found.pk).discard():
        answers.offer_undo(request, messages.SUCCESS, gettext("Deleted, with its files."), gone[0].discarded_at)
        return answers.back(request, "library")
    messages.warning(request, gettext("Nothing was deleted: cancel the job first."))
    return redirect(page_of(found))


@login_required
@require_POST
def delete_file(request: HttpRequest, file_id: uuid.UUID) -> HttpResponse:
    owned = MediaFile.objects.owned_by(principal_of(request).user).select_related("job")
    file = get_object_or_404(owned, pk=file_id)
    if at := discards.discard_file(file):
        said = gettext("Deleted: {name}").format(name=words.shorten(file.filename))
        answers.offer_undo(request, messages.SUCCESS, said, at)
    else:
        messages.warning(request, gettext("That file was deleted before."))
    return answers.back(request, page_of(file.job))


def nothing_done(status: str) -> str:
    word = Status(status).label if status in Status.values else gettext("Deleted")
    return gettext("Nothing was done: the job is {status}.").format(status=word.lower())


def own_job(request: HttpRequest, job_id: uuid.UUID) -> Job:
    owned = Job.objects.owned_by(principal_of(request).user)
    return get_object_or_404(owned.prefetch_related("files"), pk=job_id)


def page_of(job: Job) -> str:
    return reverse("job", args=[job.pk])


def job_context(request: HttpRequest, job: Job) -> dict[str, Any]:
    came_from = answers.came_from(request)
    return {
        "job": job,
        "came_from": came_from,
        "is_from_batch": came_from.startswith(reverse("batches")),
        "address": f"{page_of(job)}?{urlencode({answers.NEXT: came_from})}" if came_from else page_of(job),
        "position": listing.position_of(job),
        "files": words.stored_files(job),
        "main": words.main_file(job),
        "events": story.of(job),
        "steps": remedies.of(principal_of(request).user, job),
        **log_context(request, job),
    }


def log_context(request: HttpRequest, job: Job) -> dict[str, Any]:
    level = request.GET.get("level", DEFAULT_LEVEL)
    if level not in JobLog.LEVELS:
        level = DEFAULT_LEVEL
    lines: JobLogQuerySet = JobLog.objects.at_level(level)
    newest = list(lines.filter(job=job).order_by("-id")[: LOG_LINES_SHOWN + 1])
    return {
        "job": job,
        "lines": newest[LOG_LINES_SHOWN - 1 :: -1],
        "is_cut": len(newest) > LOG_LINES_SHOWN,
        "level": level,
        "levels": [(name, gettext(LEVELS[name])) for name in JobLog.LEVELS],
    }
