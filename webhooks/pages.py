"""Settings: webhooks. A secret is on the answer that made it and nowhere else, in no session and no URL."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.limits import limit_form
from accounts.principal import principal_of
from downloads.models import Job
from downloads.web.library import as_id
from webhooks import outbox
from webhooks.forms import EVENT_LABELS, RotateForm, WebhookForm
from webhooks.models import Delivery, DeliveryStatus, DisabledReason, Endpoint
from webhooks.models.endpoint import TooManyEndpointsError, WebhookStateError

CHANGES_PER_MINUTE = 30
SHOWN = 50
SOON = timedelta(seconds=10)
# In the words, and so in the colours, of jobs.
LOOKS = {"delivered": "completed", "dead": "failed", "sending": "running", "pending": "queued"}


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@limit_form("webhooks", CHANGES_PER_MINUTE)
def webhooks(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return list_page(request, WebhookForm())
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return list_page(request, form, status=422)
    try:
        endpoint, secret = Endpoint.objects.add(principal_of(request).user, **form.cleaned_data)
    except TooManyEndpointsError:
        form.add_error(None, gettext("You have as many webhooks as you may. Delete one first."))
        return list_page(request, form, status=422)
    return secret_page(request, endpoint, secret)


@login_required
@require_POST
@limit_form("webhooks", CHANGES_PER_MINUTE)
def for_requests(request: HttpRequest) -> HttpResponse:
    """Makes the secret, the first time, or leads to where it can be replaced."""
    owner = principal_of(request).user
    known = Endpoint.objects.owned_by(owner).for_requests().exists()
    endpoint = Endpoint.objects.of_requests(owner.pk)
    if known:
        return redirect("webhooks:webhook", endpoint.pk)
    return secret_page(request, endpoint, endpoint.rotate(timedelta(0)))


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
@limit_form("webhooks", CHANGES_PER_MINUTE)
def webhook(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    endpoint = own(request, webhook_id)
    if request.method != "POST":
        return webhook_page(request, endpoint, form_of(endpoint))
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return webhook_page(request, endpoint, form, status=422)
    try:
        endpoint.change(**form.cleaned_data)
    except WebhookStateError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("Changed."))
    return redirect("webhooks:webhook", endpoint.pk)


@login_required
@require_POST
@limit_form("webhooks", CHANGES_PER_MINUTE)
def rotate(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    endpoint, form = own(request, webhook_id), RotateForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Choose for how long the old secret goes on."))
        return redirect("webhooks:webhook", endpoint.pk)
    return secret_page(request, endpoint, endpoint.rotate(form.overlap))


@login_required
@require_POST
@limit_form("webhooks", CHANGES_PER_MINUTE)
def test(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    endpoint = own(request, webhook_id)
    try:
        outbox.record_test(endpoint)
    except WebhookStateError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("A test message is on its way. What comes of it is shown here."))
    return redirect("webhooks:webhook", endpoint.pk)


@login_required
@require_POST
@limit_form("webhooks", CHANGES_PER_MINUTE)
def switch(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    endpoint = own(request, webhook_id)
    if request.POST.get("on") == "1":
        endpoint.enable()
        messages.success(request, gettext("Enabled: it is told from now on."))
    else:
        endpoint.disable(DisabledReason.OWNER)
        messages.success(request, gettext("Disabled: it is told nothing, and what waited can be sent again later."))
    return redirect("webhooks:webhook", endpoint.pk)


@login_required
@require_POST
@limit_form("webhooks", CHANGES_PER_MINUTE)
def delete(request: HttpRequest, webhook_id: uuid.UUID) -> HttpResponse:
    Endpoint.objects.filter(pk=own(request, webhook_id).pk).remove()
    messages.success(request, gettext("The webhook is deleted, with its deliveries."))
    return redirect("webhooks:webhooks")


@login_required
@require_POST
@limit_form("webhooks", CHANGES_PER_MINUTE)
def redeliver(request: HttpRequest, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> HttpResponse:
    rows = Delivery.objects.filter(endpoint=own(request, webhook_id)).select_related("endpoint")
    delivery = get_object_or_404(rows, pk=delivery_id)
    try:
        delivery.redeliver()
    except WebhookStateError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("The message is sent again."))
    return redirect("webhooks:webhook", webhook_id)


@never_cache
@login_required
@require_GET
def message(request: HttpRequest, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> HttpResponse:
    rows = Delivery.objects.filter(endpoint=own(request, webhook_id)).select_related("endpoint")
    delivery = get_object_or_404(rows, pk=delivery_id)
    return render(request, "webhooks/message.html", {"delivery": delivery, "look": LOOKS[delivery.status]})


def own(request: HttpRequest, webhook_id: uuid.UUID) -> Endpoint:
    return get_object_or_404(Endpoint.objects.owned_by(principal_of(request).user), pk=webhook_id)


def form_of(endpoint: Endpoint) -> WebhookForm:
    return WebhookForm(initial={"url": endpoint.url, "events": endpoint.events, "description": endpoint.description})


def list_page(request: HttpRequest, form: WebhookForm, status: int = 200) -> HttpResponse:
    owned = Endpoint.objects.owned_by(principal_of(request).user)
    dead = set(Delivery.objects.dead().filter(endpoint__in=owned).values_list("endpoint", flat=True).distinct())
    rows = [
        (endpoint, [str(EVENT_LABELS[event]) for event in endpoint.events], endpoint.pk in dead)
        for endpoint in owned.with_address()
    ]
    context = {"form": form, "webhooks": rows, "for_requests": owned.for_requests().first()}
    return render(request, "webhooks/list.html", context, status=status)


def webhook_page(request: HttpRequest, endpoint: Endpoint, form: WebhookForm, status: int = 200) -> HttpResponse:
    wanted = request.GET.get("status", "")
    rows = Delivery.objects.filter(endpoint=endpoint).defer("body")
    chosen = rows.filter(status=wanted) if wanted in DeliveryStatus.values else rows
    if before := as_id(request.GET.get("before", "")):
        chosen = chosen.filter(pk__lt=before)
    listed = list(chosen[: SHOWN + 1])
    shown = listed[:SHOWN]
    jobs = Job.objects.owned_by(principal_of(request).user).in_bulk([each.request_id for each in shown])
    context: dict[str, Any] = {
        "endpoint": endpoint,
        "form": form,
        "rotate_form": RotateForm(auto_id=False),
        "deliveries": [(each, LOOKS[each.status], jobs.get(each.request_id)) for each in shown],
        "is_moving": not before and any(is_soon(each) for each in shown),
        "is_first": not before,
        "older": shown[-1].pk if len(listed) > SHOWN else None,
        "filters": [("", gettext("All")), *DeliveryStatus.choices],
        "wanted": wanted,
        "overlap_ends": until if (until := endpoint.previous_secret_until) and until > timezone.now() else None,
    }
    return render(request, "webhooks/webhook.html", context, status=status)


def is_soon(delivery: Delivery) -> bool:
    """Whether something will come of it while somebody looks."""
    if delivery.status == DeliveryStatus.PENDING:
        return delivery.next_attempt_at <= timezone.now() + SOON
    return delivery.status == DeliveryStatus.SENDING


def secret_page(request: HttpRequest, endpoint: Endpoint, secret: str) -> HttpResponse:
    response = render(request, "webhooks/secret.html", {"endpoint": endpoint, "secret": secret}, status=201)
    response["Cache-Control"] = "no-store"
    return response
