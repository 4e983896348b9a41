"""What the OpenAPI document says of every operation alike. drf-spectacular calls this when it has made the rest."""

# ruff: noqa: ARG001, ARG002 - drf-spectacular's signatures
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from downloads.api import examples
from downloads.api.idempotency import HEADER, MAX_LENGTH, REPLAYED, is_idempotent
from downloads.api.problem import CONTENT_TYPE, TITLES


class Schema(AutoSchema):
    """A list is answered as one object with `results`, never as a bare array."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """An `idempotent` method says so by itself."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        method = getattr(self.view, "action", None) or self.method.lower()
        if operation and is_idempotent(getattr(self.view, method, None)):
            operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
            operation["responses"]["201"].setdefault("headers", {})[REPLAYED] = IDEMPOTENCY_REPLAYED
        return operation


IDEMPOTENCY_KEY: dict[str, Any] = {
    "in": "header",
    "name": HEADER,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": r"^[!-~]([ -~]*[!-~])?$"},
    "description": "Any text of yours, such as a UUID, that makes it safe to repeat the request: for 24 hours the same "
    "request with the same key is answered as the first one was, and does nothing.",
}
IDEMPOTENCY_REPLAYED: dict[str, Any] = {
    "schema": {"type": "string", "enum": ["true"]},
    "description": f"When this is the answer that the first request with the {HEADER} got.",
}


# For each status the code that it mostly has, and what it means.
PROBLEMS = {
    "400": ("validation_failed", "The request is not valid."),
    "401": ("not_authenticated", "The request has no valid credentials."),
    "403": ("insufficient_scope", "The key's scopes do not allow this."),
    "404": ("not_found", "There is nothing here, or nothing that is yours."),
    "405": ("method_not_allowed", "The method is not allowed here."),
    "406": ("not_acceptable", "No such representation is offered."),
    "408": ("request_timeout", "The request's body came too slowly."),
    "409": ("wrong_state", "The state of the job does not allow this."),
    "410": ("file_expired", "The file has been deleted."),
    "412": ("precondition_failed", "The file is not the one that the request asks for."),
    "413": ("body_too_large", "The body is too large."),
    "415": ("unsupported_media_type", "The body is of the wrong type."),
    "416": ("range_not_satisfiable", "The file ends before the first byte asked for."),
    "422": ("idempotency_conflict", "The Idempotency-Key was used for another request."),
    "429": ("rate_limit_exceeded", "Too many requests, or too many waiting jobs."),
    "500": ("internal_error", "Something failed inside this service."),
    "502": ("origin_unavailable", "The site does not give what was asked for; `code` says why."),
    "503": ("database_unavailable", "The database cannot be reached at the moment."),
    "504": ("timeout", "The site took too long."),
    "507": ("storage_full", "The server's disk is full."),
}
EVERYWHERE = ("400", "405", "406", "500", "503")
WITH_CREDENTIALS = ("401", "403", "404", "429")
WITH_BODY = ("408", "413", "415")
CHANGING = ("409",)
REPEATABLE = ("409", "422")
LOOKING = ("formats", "metadata", "playlist_preview", "channel_info", "cookies_test", "download_estimate")
# By operation, where it is not everywhere.
SPECIAL = {
    **dict.fromkeys(LOOKING, ("502", "504", "507")),
    **dict.fromkeys(("download_create", "batch_create", "playlist_download", "channel_download"), ("507",)),
    "download_keep": ("410",),
    "link_create": ("410",),
    "file_retrieve": ("410", "412", "416"),
    "batch_archive": ("409", "410", "412", "416"),
}
# Also where the body says nothing: one that comes is read.
TAKING = frozenset({"post", "put", "patch"})
METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def add_problem_responses(result: dict[str, Any], generator: Any, **_: Any) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular."""
    components = result.setdefault("components", {})
    components["responses"] = {f"Problem{status}": _response(status) for status in PROBLEMS}
    for path, method, operation in _operations(result):
        responses = operation["responses"]
        for status in _statuses(path, method, operation):
            if not _is_described(responses.get(status)):
                responses[status] = {"$ref": f"#/components/responses/Problem{status}"}
        operation["responses"] = dict(sorted(responses.items()))
    _close_requests(components["schemas"])
    return result


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in result["paths"].items():
        yield from ((path, method, operation) for method, operation in item.items() if method in METHODS)


def _statuses(path: str, method: str, operation: dict[str, Any]) -> set[str]:
    statuses = {*EVERYWHERE, *SPECIAL.get(operation["operationId"], ())}
    if any(operation.get("security", [])):
        statuses.update(WITH_CREDENTIALS)
    if method in TAKING:
        statuses.update(WITH_BODY)
    if any(parameter["name"] == HEADER for parameter in operation.get("parameters", [])):
        statuses.update(REPEATABLE)
    if method != "get" and "{" in path:
        statuses.update(CHANGING)
    return statuses


def _is_described(response: dict[str, Any] | None) -> bool:
    """Whether an operation answers the status with something else than a problem."""
    return response is not None and CONTENT_TYPE not in response.get("content", {})


def _response(status: str) -> dict[str, Any]:
    code, meaning = PROBLEMS[status]
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {CONTENT_TYPE: {"schema": schema, "examples": {code: {"value": _example(status)}}}}
    response: dict[str, Any] = {"description": meaning, "content": content}
    if status in {"429", "503"}:
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    if status == "401":
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return response


def _example(status: str) -> dict[str, Any]:
    code, meaning = PROBLEMS[status]
    if code == examples.PROBLEM["code"]:
        return examples.PROBLEM
    request_id = examples.PROBLEM["request_id"]
    return examples.PROBLEM | {
        "type": f"{examples.BASE}/docs/errors#{code}",
        "title": TITLES.get(code, meaning.removesuffix(".")),
        "status": int(status),
        "detail": meaning,
        "code": code,
        "errors": [],
        "error": {"code": code, "message": meaning, "request_id": request_id},
    }


def _close_requests(schemas: dict[str, Any]) -> None:
    """What bodies may hold is all that is listed: serializers refuse the rest."""
    for name, schema in schemas.items():
        if name.endswith("Request") and schema.get("type") == "object":
            schema["additionalProperties"] = False


class MetricsTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # it has no types
    target_class = "downloads.api.operations.MetricsTokenAuthentication"
    name = "MetricsToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "METRICS_TOKEN."}
