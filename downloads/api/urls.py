"""Below /api/: version 1, its description, and an answer in the API's own shape for everything else."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from downloads.api import documentation
from downloads.api.batches import BatchViewSet, ChannelDownloadView, PlaylistDownloadView
from downloads.api.cookies import CookiesViewSet
from downloads.api.jobs import DownloadViewSet
from downloads.api.links import FileLinksView, LinkView
from downloads.api.media import FileView
from downloads.api.negotiation import AnyFormat
from downloads.api.operations import HealthView, LiveView, MetricsView, ReadyView
from downloads.api.probes import (
    ChannelInfoView,
    EstimateView,
    FormatsView,
    MetadataView,
    PlaylistPreviewView,
    ProbeView,
)
from downloads.api.problem import not_found, plain_response
from downloads.api.stats import StatsView
from downloads.api.streams import EventsView, JobEventsView

app_name = "api"


@csrf_exempt
def nothing_here(request: HttpRequest, **_: str) -> HttpResponse:
    return plain_response(request, not_found())


downloads = DownloadViewSet.as_view({"get": "list", "post": "create"}, detail=False)
download = DownloadViewSet.as_view({"get": "retrieve", "delete": "destroy"}, detail=True)
all_cookies = CookiesViewSet.as_view({"get": "list", "post": "create"}, detail=False)
some_cookies = CookiesViewSet.as_view({"get": "retrieve", "delete": "destroy"}, detail=True)
test_cookies = CookiesViewSet.as_view({"post": "test"}, detail=True)


all_batches = BatchViewSet.as_view({"get": "list"}, detail=False)
new_batch = BatchViewSet.as_view({"post": "create"}, detail=False)
batch = BatchViewSet.as_view({"get": "retrieve", "delete": "destroy"}, detail=True)
batch_archive = BatchViewSet.as_view({"get": "archive"}, detail=True, content_negotiation_class=AnyFormat)
# What fetches anew counts as what fetches for the first time.
batch_retry = BatchViewSet.as_view({"post": "retry"}, detail=True, rate_scope="submissions")
retry = DownloadViewSet.as_view({"post": "retry"}, detail=True, rate_scope="submissions")


def steering(verb: str) -> Callable[..., HttpResponse]:
    return DownloadViewSet.as_view({"post": verb}, detail=True)


version_1: list[URLPattern | URLResolver] = [
    path("download", downloads, name="download-list"),
    path("download/estimate", EstimateView.as_view(), name="download-estimate"),
    path("download/<uuid:request_id>", download, name="download-detail"),
    path(
        "download/<uuid:request_id>/logs", DownloadViewSet.as_view({"get": "logs"}, detail=True), name="download-logs"
    ),
    path("download/<uuid:request_id>/pause", steering("pause"), name="download-pause"),
    path("download/<uuid:request_id>/resume", steering("resume"), name="download-resume"),
    path("download/<uuid:request_id>/retry", retry, name="download-retry"),
    path("download/<uuid:request_id>/keep", steering("keep"), name="download-keep"),
    path("download/<uuid:request_id>/events", JobEventsView.as_view(), name="download-events"),
    path("formats", FormatsView.as_view(), name="formats"),
    path("metadata", MetadataView.as_view(), name="metadata"),
    path("playlist/preview", PlaylistPreviewView.as_view(), name="playlist-preview"),
    path("channel/info", ChannelInfoView.as_view(), name="channel-info"),
    path("probe/<uuid:probe_id>", ProbeView.as_view(), name="probe"),
    path("batch", all_batches, name="batch-list"),
    path("batch/download", new_batch, name="batch-download"),
    path("batch/<uuid:batch_id>", batch, name="batch-detail"),
    path("batch/<uuid:batch_id>/retry", batch_retry, name="batch-retry"),
    path("batch/<uuid:batch_id>/archive", batch_archive, name="batch-archive"),
    path("playlist/download", PlaylistDownloadView.as_view(), name="playlist-download"),
    path("channel/download", ChannelDownloadView.as_view(), name="channel-download"),
    path("auth/cookies", all_cookies, name="cookies-list"),
    path("auth/cookies/<uuid:cookie_id>", some_cookies, name="cookies-detail"),
    path("auth/cookies/<uuid:cookie_id>/test", test_cookies, name="cookies-test"),
    path("events", EventsView.as_view(), name="events"),
    path("files/<uuid:file_id>", FileView.as_view(), name="file"),
    path("files/<uuid:file_id>/links", FileLinksView.as_view(), name="file-links"),
    path("links/<uuid:link_id>", LinkView.as_view(), name="link"),
    path("files/<uuid:file_id>/<str:filename>", FileView.as_view(schema=None), name="named-file"),
    path("health", HealthView.as_view(), name="health"),
    path("health/live", LiveView.as_view(), name="health-live"),
    path("health/ready", ReadyView.as_view(), name="health-ready"),
    path("stats", StatsView.as_view(), name="stats"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("", include("accounts.api.urls")),
    path("", include("webhooks.api.urls")),
]

urlpatterns = [
    path("v1/", include(version_1)),
    path("openapi.json", documentation.schema, name="schema"),
    path("docs", documentation.swagger, name="docs"),
    path("redoc", documentation.redoc, name="redoc"),
    re_path(r"", nothing_here),
]
