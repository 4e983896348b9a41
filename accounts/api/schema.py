"""How the API's description names the ways to say who one is."""

# ruff: noqa: ARG002 - drf-spectacular's signatures

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its __init_subclass__
    target_class = "accounts.authentication.ApiKeyAuthentication"
    name = ["ApiKey", "BearerKey"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        return [{"ApiKey": []}, {"BearerKey": []}]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            {"type": "http", "scheme": "bearer", "bearerFormat": "API key"},
        ]


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its __init_subclass__
    target_class = "accounts.authentication.SessionAuthentication"
    name = "Session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "The browser's session; writing needs the header X-CSRFToken, too."
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": description}


class AnonymousScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """No scheme at all: where REQUIRE_API_KEY is false, a request needs nothing."""

    target_class = "accounts.authentication.AnonymousPrincipalAuthentication"
    name: list[str] = []  # as drf-spectacular declares it

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[Any]:
        return []

    def get_security_definition(self, auto_schema: AutoSchema) -> list[Any]:
        return []
