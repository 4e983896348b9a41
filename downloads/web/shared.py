"""Where links to files lead: for whoever has one, without an account. Programs are told what is wrong as by the API."""

from __future__ import annotations

import math
from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_safe

from accounts.limits import address_of, decide, policy_of, remember
from downloads import files, links
from downloads.api.problem import Problem, plain_response
from downloads.web.errors import problem_page


@require_safe
def shared_file(request: HttpRequest, token: str, filename: str = "") -> HttpResponse:  # noqa: ARG001 - it is for show
    try:
        _charge(request)
        link = links.link_of(token)
        links.admit(link, request, timezone.now())
    except Problem as problem:
        return _refusal(request, problem)
    return files.response(request, link.file, links.headers_for(link, is_inline=request.GET.get("inline") == "1"))


def _charge(request: HttpRequest) -> None:
    """A read of the address, from a bucket that is only for links."""
    decision = decide(replace(policy_of("reads"), scope="links"), [address_of(request)])
    remember(request, decision)
    if not decision.is_allowed:
        headers = {"Retry-After": str(math.ceil(decision.wait_seconds))}
        raise Problem(429, "rate_limit_exceeded", gettext_noop("Too many requests. Try again later."), headers=headers)


def _refusal(request: HttpRequest, problem: Problem) -> HttpResponse:
    wants_page = "text/html" in request.headers.get("Accept", "")
    response = problem_page(request, problem) if wants_page else plain_response(request, problem)
    response["Referrer-Policy"] = "no-referrer"
    return response
