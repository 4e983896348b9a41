"""The settings page of API keys. A new key is on the answer that made it and nowhere else, in no session and no URL."""

from __future__ import annotations

import json
import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.forms import BookmarkForm, KeyForm, RenameForm, RotateForm
from accounts.key_usage import charts_of
from accounts.limits import limit_form
from accounts.models import ApiKey, KeyUnusableError, Scope
from accounts.principal import principal_of

CHANGES_PER_MINUTE = 30
BOOKMARK_JOBS_A_DAY = 100


@never_cache
@login_required
@require_GET
def keys(request: HttpRequest) -> HttpResponse:
    return keys_page(request, KeyForm(scopes=principal_of(request).scopes))


@never_cache
@login_required
@require_POST
@limit_form("keys", CHANGES_PER_MINUTE)
def create(request: HttpRequest) -> HttpResponse:
    principal = principal_of(request)
    form = KeyForm(request.POST, scopes=principal.scopes)
    if not form.is_valid():
        return keys_page(request, form, status=400)
    wanted = form.cleaned_data
    expires_at = form.expires_at(timezone.now())
    key, plain = ApiKey.objects.issue(principal.user, wanted["name"], wanted["scopes"], expires_at, **form.limits)
    return new_key_page(request, key, plain)


@never_cache
@login_required
@require_POST
@limit_form("keys", CHANGES_PER_MINUTE)
def create_bookmark(request: HttpRequest) -> HttpResponse:
    """A key that can only submit, inside a bookmark that does so."""
    form = BookmarkForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("A key needs a name of at most 100 characters."))
        return redirect("accounts:keys")
    wanted = {"name": form.cleaned_data["name"], "scopes": [Scope.SUBMIT]}
    key, plain = ApiKey.objects.issue(principal_of(request).user, **wanted, max_jobs_per_day=BOOKMARK_JOBS_A_DAY)
    context = {"key": key, "bookmark": bookmark(request, plain)}
    return render(request, "accounts/new_bookmark.html", context, status=201)


def bookmark(request: HttpRequest, plain: str) -> str:
    """On a page of another site it opens ours with that page's address and the key, in the part that no server is sent.

    There it goes into a header, by a script of ours (static/js/send.js): no policy of the other page is in the way.
    """
    address = json.dumps(f"{request.build_absolute_uri(reverse('send'))}#key={plain}&url=")
    return f"javascript:void(open({address}+encodeURIComponent(location.href),'_blank','noopener'))"


@never_cache
@login_required
@require_POST
@limit_form("keys", CHANGES_PER_MINUTE)
def rotate(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    key = own_key(request, key_id)
    form = RotateForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Choose for how long the old key goes on."))
        return redirect("accounts:keys")
    try:
        replacement, plain = key.rotate(form.overlap)
    except KeyUnusableError as error:
        messages.error(request, str(error))
        return redirect("accounts:keys")
    return new_key_page(request, replacement, plain)


@login_required
@require_POST
@limit_form("keys", CHANGES_PER_MINUTE)
def rename(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    key = own_key(request, key_id)
    form = RenameForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("A key needs a name of at most 100 characters."))
        return redirect("accounts:keys")
    try:
        key.rename(form.cleaned_data["name"])
    except KeyUnusableError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("The key is now called {name}.").format(name=key.name))
    return redirect("accounts:keys")


@login_required
@require_POST
@limit_form("keys", CHANGES_PER_MINUTE)
def revoke(request: HttpRequest, key_id: uuid.UUID) -> HttpResponse:
    key = own_key(request, key_id)
    key.revoke()
    messages.success(
        request, gettext("The key {name} is revoked: nothing gets in with it any more.").format(name=key.name)
    )
    return redirect("accounts:keys")


def own_key(request: HttpRequest, key_id: uuid.UUID) -> ApiKey:
    return get_object_or_404(ApiKey.objects.owned_by(principal_of(request).user), pk=key_id)


def keys_page(request: HttpRequest, form: KeyForm, status: int = 200) -> HttpResponse:
    now = timezone.now()
    owned = ApiKey.objects.owned_by(principal_of(request).user).newest_first()
    charts = charts_of([key.pk for key in owned])
    listed = [(key, key.state(now), charts.get(key.pk)) for key in owned]
    context = {"form": form, "rotate_form": RotateForm(auto_id=False), "keys": listed}
    context["bookmark_form"] = BookmarkForm(auto_id="bookmark-%s")
    return render(request, "accounts/keys.html", context, status=status)


def new_key_page(request: HttpRequest, key: ApiKey, plain: str) -> HttpResponse:
    return render(request, "accounts/new_key.html", {"key": key, "plain": plain}, status=201)
