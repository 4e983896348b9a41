"""Closing accounts in the admin: it is asked once more, and then each is closed, or said to stay."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_noop

from accounts.models import CannotCloseError, User
from accounts.models.user import UserQuerySet
from accounts.principal import principal_of
from accounts.record import note
from downloads import closing
from downloads.admin_lists import tell

# Of the form that asks.
SURE = "is_sure"


def close_accounts(site: admin.ModelAdmin[Any], request: HttpRequest, users: UserQuerySet) -> TemplateResponse | None:
    chosen = users.order_by("username")
    if SURE not in request.POST:
        return _ask(site, request, chosen)
    closed = [user for user in chosen if _closes(user)]
    done = gettext_noop("Closed")
    note(principal_of(request).user, closed, f"{done}.")
    tell(site, request, done, len(closed), len(chosen) - len(closed))
    return None


def _closes(user: User) -> bool:
    """Without waiting for what it has to be deleted, which may be much."""
    try:
        closing.begin(user)
    except CannotCloseError:
        return False
    return True


def _ask(site: admin.ModelAdmin[Any], request: HttpRequest, users: UserQuerySet) -> TemplateResponse:
    judged = [(user, user.obstacle_to_closing) for user in users]
    context = {
        "title": gettext("Close accounts"),
        "opts": site.opts,
        "closing": [user for user, obstacle in judged if not obstacle],
        "staying": [(user, obstacle) for user, obstacle in judged if obstacle],
        "sure": SURE,
    }
    return TemplateResponse(request, "accounts/admin_close.html", site.admin_site.each_context(request) | context)
