"""The headers that tell a client how much of its rate is left."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from accounts.limits import Decision


class RateLimitHeadersMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        decision: Decision | None = getattr(request, "rate_limit", None)
        if decision is not None:
            response["RateLimit-Policy"] = decision.policy.header
            response["RateLimit"] = decision.header
        return response
