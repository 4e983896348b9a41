"""Where every address leads."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from downloads.api.operations import MetricsView

urlpatterns = [
    # First, since what programs ask for is asked for most.
    path("api/", include("downloads.api.urls")),
    path("", include("downloads.web.urls")),
    path("accounts/", include("accounts.urls")),
    path("webhooks/", include("webhooks.urls")),
    path("admin/", include("downloads.console.urls")),
    path("admin/", admin.site.urls),
    path("metrics", MetricsView.as_view(schema=None), name="metrics"),
]

handler400 = "downloads.web.errors.bad_request"
handler403 = "downloads.web.errors.permission_denied"
handler404 = "downloads.web.errors.not_found"
handler500 = "downloads.web.errors.server_error"
