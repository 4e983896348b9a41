from __future__ import annotations

from django.urls import path

from webhooks import pages

app_name = "webhooks"

urlpatterns = [
    path("", pages.webhooks, name="webhooks"),
    path("for-requests/", pages.for_requests, name="for_requests"),
    path("<uuid:webhook_id>/", pages.webhook, name="webhook"),
    path("<uuid:webhook_id>/rotate/", pages.rotate, name="rotate"),
    path("<uuid:webhook_id>/test/", pages.test, name="test"),
    path("<uuid:webhook_id>/switch/", pages.switch, name="switch"),
    path("<uuid:webhook_id>/delete/", pages.delete, name="delete"),
    path("<uuid:webhook_id>/deliveries/<uuid:delivery_id>/", pages.message, name="message"),
    path("<uuid:webhook_id>/deliveries/<uuid:delivery_id>/redeliver/", pages.redeliver, name="redeliver"),
]
