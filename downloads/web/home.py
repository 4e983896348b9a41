"""The home page: one form, what is going on, and what came last."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import retarget

from accounts.limits import limit_form
from accounts.principal import principal_of
from downloads import batches
from downloads.api.problem import Problem
from downloads.models import CookieJar, Job, LastChoices, Preset
from downloads.models.preset import PresetQuerySet
from downloads.submission import submit
from downloads.web import again, listing
from downloads.web.batches import under_way
from downloads.web.forms import DownloadForm
from downloads.web.library import as_id

SUBMISSIONS_PER_MINUTE = 60
LINK = re.compile(r"https?://\S+", re.IGNORECASE)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@limit_form("download", SUBMISSIONS_PER_MINUTE)
def home(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return submitted(request)
    return home_page(request, DownloadForm(initial=first_choices(request), jars=jars_of(request)))


@login_required
@require_GET
def active(request: HttpRequest) -> HttpResponse:
    """The moving part of the home page."""
    return render(request, "home/jobs.html", jobs_context(request))


def submitted(request: HttpRequest) -> HttpResponse:
    form = DownloadForm(request.POST, jars=jars_of(request))
    count = submit_all(request, form) if form.is_valid() else 0
    if not count:
        return refused(request, form)
    LastChoices.objects.keep(principal_of(request).user, form.remembered())
    if request.headers.get("HX-Request"):
        return render(request, "home/jobs.html", jobs_context(request))
    messages.success(request, words_about(form, count))
    return redirect("home")


def words_about(form: DownloadForm, count: int) -> str:
    if form.cleaned_data["whole_list"]:
        return gettext("The list is being read; its downloads are a batch.")
    if count == 1:
        return gettext("It is in the queue.")
    return gettext("{count} downloads are in the queue, as one batch.").format(count=count)


def submit_all(request: HttpRequest, form: DownloadForm) -> int:
    """All of the lines or none; then the form says why. Several are a batch, and so is a list."""
    principal = principal_of(request)
    try:
        if form.is_batch:
            batches.submit(principal, form.wish(), form.requests[0])
        else:
            submit(principal, form.requests[0])
    except Problem as problem:
        form.refuse(problem)
        return 0
    return len(form.requests)


def refused(request: HttpRequest, form: DownloadForm) -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if request.headers.get("HX-Request"):
        response = render(request, "home/form.html", {"form": form}, status=status)
        response["HX-Reswap"] = "morph:outerHTML"
        return retarget(response, "#download-form")
    return home_page(request, form, status=status)


def first_choices(request: HttpRequest) -> dict[str, Any]:
    """Those of `?preset=`, of the job `?again=`, or of last time; `?fresh` for none. `?cookies=` are to be used.

    A link comes by `?url=`, or as a phone shares it by `?text=`; `?urls=` are the lines that the field holds.
    """
    jar = {"cookies_id": request.GET[again.COOKIES]} if request.GET.get(again.COOKIES) else {}
    if job := job_of(request):
        return again.choices_of(job) | jar
    if preset := preset_of(request):
        kept = preset.options
    else:
        kept = {} if "fresh" in request.GET else LastChoices.objects.of(principal_of(request).user)
    links = [request.GET["url"]] if request.GET.get("url") else LINK.findall(request.GET.get("text", ""))
    return {**kept, **jar, "urls": request.GET.get("urls") or "\n".join(links)}


def preset_of(request: HttpRequest) -> Preset | None:
    preset_id = as_id(request.GET.get("preset", ""))
    return presets_of(request).filter(pk=preset_id).first() if preset_id else None


def job_of(request: HttpRequest) -> Job | None:
    job_id = as_id(request.GET.get(again.AGAIN, ""))
    return Job.objects.owned_by(principal_of(request).user).filter(pk=job_id).first() if job_id else None


def presets_of(request: HttpRequest) -> PresetQuerySet:
    return Preset.objects.owned_by(principal_of(request).user)


def jars_of(request: HttpRequest) -> Iterable[tuple[Any, str]]:
    return CookieJar.objects.owned_by(principal_of(request).user).usable().values_list("pk", "name")


def home_page(request: HttpRequest, form: DownloadForm, status: int = 200, **more: Any) -> HttpResponse:
    context = {"form": form, "presets": presets_of(request), "opens_options": again.OPEN in request.GET}
    context |= jobs_context(request) | more
    return render(request, "home/page.html", context, status=status)


def jobs_context(request: HttpRequest) -> dict[str, Any]:
    jobs = Job.objects.owned_by(principal_of(request).user)
    return {"active": listing.active(jobs), "latest": listing.latest(jobs), "batches": under_way(request)}
