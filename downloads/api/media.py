"""The bytes of a published file. Django only says who may have them; mediadl/asgi, or nginx, sends them."""

# ruff: noqa: ARG002 - DRF's signatures
from __future__ import annotations

import uuid

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.principal import principal_of
from downloads.api import describe
from downloads.api.negotiation import AnyFormat
from downloads.api.problem import Problem
from downloads.api.query import FileQuery
from downloads.files import headers_of, response
from downloads.models import MediaFile


class FileView(APIView):
    content_negotiation_class = AnyFormat

    @extend_schema(**describe.FILE)
    def get(self, request: Request, file_id: uuid.UUID, filename: str = "") -> HttpResponse:
        is_inline = FileQuery.read(request)["inline"] == "1"
        owner = principal_of(request).user
        file = get_object_or_404(MediaFile.objects.owned_by(owner).select_related("job"), pk=file_id)
        if file.deleted_at is not None:
            raise Problem(410, "file_expired", "The file has been deleted. Submit its URL to have it once more.")
        return response(request, file, headers_of(file, owner, is_inline=is_inline))
