"""One's own account: what others call one, where one is signed in, a copy of all that is kept, and its end."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import ClosingForm, ProfileForm
from accounts.limits import limit_form
from accounts.models import CannotCloseError, Session, User
from accounts.principal import principal_of
from downloads import closing, export

CHANGES_PER_MINUTE = 30
EXPORTS_PER_MINUTE = 10
ATTEMPTS_TO_CLOSE_PER_MINUTE = 10


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@limit_form("account", CHANGES_PER_MINUTE)
def account(request: HttpRequest) -> HttpResponse:
    user = principal_of(request).user
    posted = request.POST if request.method == "POST" else None
    # Of a row of its own: a form that is refused leaves what it was given in its instance, which the page names.
    form = ProfileForm(posted, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, gettext("Your account is changed."))
        return redirect("accounts:account")
    context = {"form": form, "sessions": sessions_of(request, user)}
    return render(request, "accounts/account.html", context, status=400 if form.errors else 200)


def sessions_of(request: HttpRequest, user: User) -> list[tuple[Session, bool]]:
    """With whether it is the one of the request, which comes first; the others by when they were last seen."""
    mine = Session.objects.of_user(user).live(timezone.now()).newest_first()
    listed = [(session, session.session_key == request.session.session_key) for session in mine]
    return sorted(listed, key=lambda each: not each[1])


@login_required
@require_POST
@limit_form("account", CHANGES_PER_MINUTE)
def end_session(request: HttpRequest, handle: str) -> HttpResponse:
    user = principal_of(request).user
    found = [session for session in Session.objects.of_user(user) if session.handle == handle]
    if not found:
        raise Http404
    found[0].delete()
    messages.success(request, gettext("That browser is signed out."))
    return redirect("accounts:account")


@login_required
@require_POST
@limit_form("account", CHANGES_PER_MINUTE)
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    ended = Session.objects.others(principal_of(request).user, request.session.session_key).end()
    said = gettext("No other browser was signed in.") if not ended else gettext("Every other browser is signed out.")
    messages.success(request, said)
    return redirect("accounts:account")


@never_cache
@login_required
@require_POST
@limit_form("export", EXPORTS_PER_MINUTE)
def export_all(request: HttpRequest) -> StreamingHttpResponse:
    """By POST, so that no other site can have a server work on it."""
    name = f"mediadl-{timezone.now():%Y-%m-%d}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    pieces = export.pieces(principal_of(request).user)
    return StreamingHttpResponse(pieces, content_type="application/json", headers=headers)


@sensitive_post_parameters("password")
@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@limit_form("close", ATTEMPTS_TO_CLOSE_PER_MINUTE)
def close(request: HttpRequest) -> HttpResponse:
    user = principal_of(request).user
    form = ClosingForm(request.POST if request.method == "POST" else None, user=user)
    if request.method == "POST" and form.is_valid():
        try:
            closing.close(user)
        except CannotCloseError as obstacle:
            messages.error(request, str(obstacle))
            return redirect("accounts:close")
        logout(request)
        messages.success(request, gettext("Your account is closed, and what it had is being deleted."))
        return redirect("accounts:sign_in")
    context = {"form": form, "obstacle": user.obstacle_to_closing}
    return render(request, "accounts/close.html", context, status=400 if form.errors else 200)
