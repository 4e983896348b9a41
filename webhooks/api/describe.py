"""How the operations on webhooks are described in the OpenAPI document, with an example of each."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from downloads.api import examples
from downloads.api.describe import Description, answer, asked, header
from downloads.api.problem import CONTENT_TYPE
from downloads.api.requests import NothingSerializer
from downloads.api.responses import ProblemSerializer
from webhooks.api.requests import (
    DeliveryListQuery,
    NewWebhookSerializer,
    SecretRotationSerializer,
    WebhookChangeSerializer,
    WebhookListQuery,
)
from webhooks.api.responses import (
    DeliveryListSerializer,
    DeliverySerializer,
    IssuedWebhookSerializer,
    WebhookListSerializer,
    WebhookSerializer,
    WholeDeliverySerializer,
)

WEBHOOKS = ["webhooks"]
PROBLEM = {(400, CONTENT_TYPE): ProblemSerializer}
LOCATION = header("Location", "The path of the webhook.", status_codes=["201"])
SECRET = "whsec_" + "x" * 44

WEBHOOK: dict[str, Any] = {
    "webhook_id": "0199c4d5-2f3a-7e10-9b41-0c7d5a9e6f22",
    "url": "https://hooks.example.org/mediadl",
    "description": "the archive",
    "events": ["download.completed", "download.failed"],
    "is_enabled": True,
    "disabled_reason": None,
    "created_at": "2026-11-24T12:00:00Z",
    "rotated_at": None,
    "previous_secret_until": None,
}
ISSUED = WEBHOOK | {"secret": SECRET}
ROTATED = {"rotated_at": "2026-11-24T12:05:00Z", "previous_secret_until": "2026-11-25T12:05:00Z"}
FOR_REQUESTS = ISSUED | {"url": None, "description": "", "events": []}
DELIVERY: dict[str, Any] = {
    "delivery_id": "0199c4d6-77b0-7c55-8f0a-41e2d3c4b5a6",
    "webhook_id": WEBHOOK["webhook_id"],
    "event": "download.completed",
    "request_id": examples.JOB_ID,
    "url": WEBHOOK["url"],
    "status": "delivered",
    "attempts": 1,
    "next_attempt_at": None,
    "error": None,
    "response_status": 200,
    "response_excerpt": "ok",
    "duration_sec": 0.084,
    "created_at": "2026-11-24T12:01:00Z",
    "finished_at": "2026-11-24T12:01:01Z",
}
PENDING = DELIVERY | {
    "status": "pending",
    "attempts": 0,
    "next_attempt_at": "2026-11-24T12:01:00Z",
    "response_status": None,
    "response_excerpt": "",
    "duration_sec": None,
    "finished_at": None,
}
PAYLOAD = {
    "event": "download.completed",
    "timestamp": "2026-11-24T12:01:00Z",
    "request_id": examples.JOB_ID,
    "data": examples.COMPLETED,
}

LIST: Description = {
    "operation_id": "webhook_list",
    "tags": WEBHOOKS,
    "summary": "List your webhooks",
    "description": "Newest first, without their secrets.",
    "parameters": [WebhookListQuery],
    "responses": {200: WebhookListSerializer, **PROBLEM},
    "examples": [answer("One webhook", {"results": [WEBHOOK], "next": None, "previous": None})],
}
CREATE: Description = {
    "operation_id": "webhook_create",
    "tags": WEBHOOKS,
    "summary": "Make a webhook",
    "description": "Events of all your downloads are reported to its address. The answer is the only one that shows "
    "the secret that signs the reports. 409 `too_many_webhooks` when you have as many as you may.",
    "parameters": [LOCATION],
    "request": NewWebhookSerializer,
    "responses": {201: IssuedWebhookSerializer, **PROBLEM},
    "examples": [
        asked("Whatever ends", {"url": WEBHOOK["url"], "events": ["download.completed", "download.failed"]}),
        answer("Made", ISSUED, 201),
    ],
}
REQUESTS: Description = {
    "operation_id": "webhook_for_requests",
    "tags": WEBHOOKS,
    "summary": "Make the secret for requests' own webhooks",
    "description": "One secret signs what is reported to the `webhook_url` of single requests. This makes it, or "
    "replaces the one that there is, and is the only answer that shows it.",
    "parameters": [LOCATION],
    "request": SecretRotationSerializer,
    "responses": {201: IssuedWebhookSerializer, **PROBLEM},
    "examples": [asked("At once", {"overlap_hours": 0}), answer("Made", FOR_REQUESTS, 201)],
}
RETRIEVE: Description = {
    "operation_id": "webhook_retrieve",
    "tags": WEBHOOKS,
    "summary": "Show a webhook",
    "description": "Without its secret, which is shown only when it is made.",
    "responses": {200: WebhookSerializer, **PROBLEM},
    "examples": [answer("A webhook", WEBHOOK)],
}
CHANGE: Description = {
    "operation_id": "webhook_change",
    "tags": WEBHOOKS,
    "summary": "Change a webhook",
    "description": "Its address, its events, its description; or disable and enable it. While it is disabled nothing "
    "is recorded for it, and what still waits becomes dead letters, which can be sent again later.",
    "request": WebhookChangeSerializer,
    "responses": {200: WebhookSerializer, **PROBLEM},
    "examples": [
        asked("Disable it", {"is_enabled": False}),
        answer("Disabled", WEBHOOK | {"is_enabled": False, "disabled_reason": "owner"}),
    ],
}
DESTROY: Description = {
    "operation_id": "webhook_destroy",
    "tags": WEBHOOKS,
    "summary": "Delete a webhook",
    "description": "With its deliveries, also those that still wait.",
    "responses": {204: OpenApiResponse(description="Nothing more is reported there."), **PROBLEM},
}
ROTATE: Description = {
    "operation_id": "webhook_rotate",
    "tags": WEBHOOKS,
    "summary": "Rotate a webhook's secret",
    "description": "The answer is the only one that shows the new secret. For `overlap_hours` both sign, so that the "
    "receiver can change over.",
    "request": SecretRotationSerializer,
    "responses": {200: IssuedWebhookSerializer, **PROBLEM},
    "examples": [
        asked("With a day to change over", {"overlap_hours": 24}),
        answer("Rotated", ISSUED | ROTATED),
    ],
}
TEST: Description = {
    "operation_id": "webhook_test",
    "tags": WEBHOOKS,
    "summary": "Send a test message",
    "description": "An event `webhook.test`, whose data are an example. Follow the delivery to see what came of it.",
    "request": NothingSerializer,
    "responses": {202: DeliverySerializer, **PROBLEM},
    "examples": [
        answer("On its way", PENDING | {"event": "webhook.test"}, 202),
    ],
}
DELIVERIES: Description = {
    "operation_id": "webhook_deliveries",
    "tags": WEBHOOKS,
    "summary": "List a webhook's deliveries",
    "description": "Newest first. `status=dead` are the dead letters: what was given up.",
    "parameters": [DeliveryListQuery],
    "responses": {200: DeliveryListSerializer, **PROBLEM},
    "examples": [answer("One delivery", {"results": [DELIVERY], "next": None, "previous": None})],
}
DELIVERY_RETRIEVE: Description = {
    "operation_id": "webhook_delivery",
    "tags": WEBHOOKS,
    "summary": "Show a delivery",
    "description": "With the body that is sent.",
    "responses": {200: WholeDeliverySerializer, **PROBLEM},
    "examples": [answer("Delivered", DELIVERY | {"payload": PAYLOAD})],
}
REDELIVER: Description = {
    "operation_id": "webhook_redeliver",
    "tags": WEBHOOKS,
    "summary": "Send a delivery again",
    "description": "The same message under the same `webhook-id`, with all its retries. 409 while it is under way, or "
    "while the webhook is disabled.",
    "request": NothingSerializer,
    "responses": {202: DeliverySerializer, **PROBLEM},
    "examples": [answer("On its way", PENDING | {"attempts": 1}, 202)],
}
