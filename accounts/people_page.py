"""Who may use this server, for operators: invite by a link that works once, and make another when it is lost."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.admin.models import ADDITION
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.first_start import sign_in_address
from accounts.forms import InvitationForm
from accounts.limits import limit_form
from accounts.models import User
from accounts.principal import principal_of
from accounts.record import note

INVITATIONS_PER_MINUTE = 30


@never_cache
@login_required
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    require_operator(request)
    return people_page(request, InvitationForm())


@never_cache
@login_required
@require_POST
@limit_form("people", INVITATIONS_PER_MINUTE)
def invite(request: HttpRequest) -> HttpResponse:
    operator = require_operator(request)
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return people_page(request, form, status=400)
    with transaction.atomic():
        person = form.save(commit=False)
        person.set_unusable_password()
        person.save()
        note(operator, [person], "Invited as an operator." if person.is_staff else "Invited.", ADDITION)
        address = sign_in_address(person)
    return invitation_page(request, person, address)


@never_cache
@login_required
@require_POST
@limit_form("people", INVITATIONS_PER_MINUTE)
def invite_again(request: HttpRequest, user_id: uuid.UUID) -> HttpResponse:
    operator = require_operator(request)
    person = get_object_or_404(User.objects.able_to_sign_in(), pk=user_id)
    with transaction.atomic():
        note(operator, [person], "Made a one-time link to sign in.")
        address = sign_in_address(person)
    return invitation_page(request, person, address)


def require_operator(request: HttpRequest) -> User:
    """Whoever makes links could make one of another operator, so this takes all rights. For others nothing is here."""
    user = principal_of(request).user
    if not (user.is_staff and user.is_superuser):
        raise Http404
    return user


def people_page(request: HttpRequest, form: InvitationForm, status: int = 200) -> HttpResponse:
    listed = User.objects.able_to_sign_in().order_by("username")
    return render(request, "accounts/people.html", {"form": form, "people": listed}, status=status)


def invitation_page(request: HttpRequest, person: User, address: str) -> HttpResponse:
    """The link is on this answer and nowhere else."""
    context = {"person": person, "address": address, "hours": settings.SIGN_IN_LINK_HOURS}
    return render(request, "accounts/invitation.html", context, status=201)
