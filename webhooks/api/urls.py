"""Included below /api/v1/ by the API's own URLs."""

from __future__ import annotations

from django.urls import path

from webhooks.api.views import WebhookViewSet

webhooks = WebhookViewSet.as_view({"get": "list", "post": "create"}, detail=False)
for_requests = WebhookViewSet.as_view({"post": "for_requests"}, detail=False)
webhook = WebhookViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}, detail=True)
rotation = WebhookViewSet.as_view({"post": "rotate"}, detail=True)
test = WebhookViewSet.as_view({"post": "test"}, detail=True, rate_scope="submissions")
deliveries = WebhookViewSet.as_view({"get": "deliveries"}, detail=True)
delivery = WebhookViewSet.as_view({"get": "retrieve_delivery"}, detail=True)
redelivery = WebhookViewSet.as_view({"post": "redeliver"}, detail=True, rate_scope="submissions")

urlpatterns = [
    path("webhooks", webhooks, name="webhook-list"),
    path("webhooks/for-requests", for_requests, name="webhook-for-requests"),
    path("webhooks/<uuid:webhook_id>", webhook, name="webhook-detail"),
    path("webhooks/<uuid:webhook_id>/rotate", rotation, name="webhook-rotate"),
    path("webhooks/<uuid:webhook_id>/test", test, name="webhook-test"),
    path("webhooks/<uuid:webhook_id>/deliveries", deliveries, name="webhook-deliveries"),
    path("webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>", delivery, name="webhook-delivery"),
    path("webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/redeliver", redelivery, name="webhook-redeliver"),
]
