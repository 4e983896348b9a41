"""One's own account: what others call one, and where one is signed in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import ProfileForm
from accounts.limits import limit_form
from accounts.models import Session, User
from accounts.principal import principal_of

CHANGES_PER_MINUTE = 30


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@limit_form("account", CHANGES_PER_MINUTE)
def account(request: HttpRequest) -> HttpResponse:
    user = principal_of(request).user
    # Of a row of its own: a form that is refused leaves what it was given in its instance, which the page names.
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your account is changed.")
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
    messages.success(request, "That browser is signed out.")
    return redirect("accounts:account")


@login_required
@require_POST
@limit_form("account", CHANGES_PER_MINUTE)
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    ended = Session.objects.others(principal_of(request).user, request.session.session_key).end()
    said = "No other browser was signed in." if not ended else "Every other browser is signed out."
    messages.success(request, said)
    return redirect("accounts:account")
