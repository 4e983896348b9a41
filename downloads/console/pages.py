"""Who sees a page of the console, and what surrounds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse

View = Callable[..., HttpResponseBase]


def for_staff(permission: str) -> Callable[[View], View]:
    """For operators who have `permission`; whoever may only look lacks those that act."""

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return admin.site.admin_view(guarded)

    return guard


def render(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    surroundings = admin.site.each_context(request) | {"title": title}
    return TemplateResponse(request, f"admin/console/{template}.html", surroundings | context)
