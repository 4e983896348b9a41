"""Signing in and out, one-time links, and one's own password. GET never writes: mail scanners follow links, too."""

from __future__ import annotations

from axes.helpers import get_cool_off
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import SignInForm
from accounts.limits import limit_form, too_many
from accounts.models import Session, SignInLink
from accounts.principal import principal_of

SIGN_INS_PER_MINUTE = 20
PASSWORDS_PER_MINUTE = 10
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
@limit_form("sign-in", SIGN_INS_PER_MINUTE)
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(next_address(request))
    form = SignInForm(request, data=request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.get_user())
        return redirect(next_address(request))
    status = 400 if request.method == "POST" else 200
    return render(request, "accounts/sign_in.html", {"form": form, "next": asked_next(request)}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.success(request, gettext("You are signed out."))
    return redirect(settings.LOGOUT_REDIRECT_URL)


@never_cache
@require_http_methods(["GET", "POST"])
@limit_form("sign-in", SIGN_INS_PER_MINUTE)
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button and uses nothing up. The same answer for a link that was used, is too old or never was."""
    if request.method == "GET":
        is_open = SignInLink.objects.is_open(token, timezone.now())
        return render(request, "accounts/link.html", {"is_open": is_open}, status=200 if is_open else 404)
    user = SignInLink.objects.redeem(token, timezone.now())
    if user is None:
        return render(request, "accounts/link.html", {"is_open": False}, status=404)
    login(request, user, backend=MODEL_BACKEND)
    if user.has_usable_password():
        return redirect(resolve_url(settings.LOGIN_REDIRECT_URL))
    messages.info(request, gettext("You are signed in. Choose a password, so that you can come back without a link."))
    return redirect("accounts:password")


@sensitive_post_parameters()
@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@limit_form("password", PASSWORDS_PER_MINUTE)
def password(request: HttpRequest) -> HttpResponse:
    """A first password for who came by a link, and a new one, for the old, for everybody else."""
    user = principal_of(request).user
    form_class = PasswordChangeForm if user.has_usable_password() else SetPasswordForm
    form = form_class(user, data=request.POST or None)
    if request.method == "POST" and form.is_valid():
        update_session_auth_hash(request, form.save())
        Session.objects.others(user, request.session.session_key).end()
        messages.success(request, gettext("Your password is set. Every other session of yours is signed out."))
        return redirect(resolve_url(settings.LOGIN_REDIRECT_URL))
    status = 400 if request.method == "POST" else 200
    return render(request, "accounts/password.html", {"form": form}, status=status)


def locked_out(request: HttpRequest, _response: HttpResponse, _credentials: dict[str, str] | None) -> HttpResponse:
    """What django-axes answers to a name that failed too often from this address, whether anybody has it or not."""
    cool_off = get_cool_off(request)
    return too_many(request, cool_off.total_seconds() if cool_off else 3600)


def asked_next(request: HttpRequest) -> str:
    """Where to go after signing in, if that is on this server; empty otherwise."""
    asked = request.POST.get("next", request.GET.get("next", ""))
    hosts = {request.get_host()}
    return asked if url_has_allowed_host_and_scheme(asked, hosts, require_https=request.is_secure()) else ""


def next_address(request: HttpRequest) -> str:
    return asked_next(request) or resolve_url(settings.LOGIN_REDIRECT_URL)
