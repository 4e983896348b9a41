"""Server-sent events. Django only says who may listen to what; mediadl/asgi/events.py holds the stream."""

from __future__ import annotations

import uuid

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from accounts.principal import principal_of
from downloads.api import describe
from downloads.api.negotiation import AnyFormat
from downloads.api.query import NoQuery
from downloads.events import job_channel, owner_channel
from downloads.models import Job

CONTENT_TYPE = "text/event-stream"


class EventsView(APIView):
    content_negotiation_class = AnyFormat

    @extend_schema(**describe.EVENTS)
    def get(self, request: Request) -> HttpResponse:
        NoQuery.read(request)
        owner = principal_of(request).user
        return _stream(owner_channel(owner.pk), owner)


class JobEventsView(APIView):
    content_negotiation_class = AnyFormat

    @extend_schema(**describe.JOB_EVENTS)
    def get(self, request: Request, request_id: uuid.UUID) -> HttpResponse:
        NoQuery.read(request)
        owner = principal_of(request).user
        job = get_object_or_404(Job.objects.owned_by(owner), pk=request_id)
        return _stream(job_channel(job.pk), owner)


def _stream(channel: str, owner: User) -> HttpResponse:
    headers = {"X-Accel-Events": channel, "X-Accel-Owner": str(owner.pk)}
    return HttpResponse(content_type=CONTENT_TYPE, headers=headers)
