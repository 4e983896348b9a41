"""What a client may ask for before it asks: representations, where there is but one, and methods."""

# ruff: noqa: ARG002 - DRF's signatures
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AnyFormat(BaseContentNegotiation):
    """Bytes, streams and texts are sent as they are, whatever `Accept` says."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class AllowedMethods(BaseMetadata):
    """OPTIONS: the header Allow says it all."""

    def determine_metadata(self, request: Request, view: Any) -> dict[str, Any]:
        return {"methods": view.allowed_methods}
