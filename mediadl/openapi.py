"""How drf-spectacular makes the description of the API."""

from __future__ import annotations

from typing import Any

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "mediadl",
    "DESCRIPTION": "A self-hosted media downloader: submit a URL, follow the job, fetch the file.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "StateEnum": "accounts.api.responses.KEY_STATES",
        "DeliveryStatusEnum": "webhooks.models.DeliveryStatus.values",
        "LinkStateEnum": "downloads.models.LinkState",
        "BatchKindEnum": "downloads.models.BatchKind",
        "BatchStatusEnum": "downloads.api.batch_shapes.BATCH_STATUSES",
        "WebhookEventEnum": "downloads.api.batch_requests.BATCH_EVENTS",
        "DownloadStatusEnum": "downloads.models.Status",
        "FileKindEnum": "downloads.models.Kind",
    },
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "downloads.api.schema.add_problem_responses",
    ],
}
