"""Holds answers against the API's description: whatever a test is about, no operation answers what it does not list."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from django.test import Client

PREFIX = "/api/v1"
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"
# The address of a file's bytes may end with a name, for programs that take theirs from there.
NAMED_FILE = re.compile(r"(/api/v1/files/[^/]+)/(?!links$)[^/]+")
# A server that does not know the method, or the address, has no operation that could list it.
OF_NO_OPERATION = frozenset({405})


class UndescribedAnswerError(AssertionError):
    pass


@cache
def described() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """For each path its operations by method."""
    paths = json.loads(DOCUMENT.read_text())["paths"]
    return [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), item) for path, item in paths.items()]


def check(method: str, path: str, status: int) -> None:
    """Raises UndescribedAnswerError. A HEAD is answered like a GET."""
    path = NAMED_FILE.sub(r"\1", path)
    for pattern, operations in described():
        if pattern.fullmatch(path):
            operation = operations.get({"HEAD": "GET"}.get(method, method).lower())
            if operation and status not in OF_NO_OPERATION and str(status) not in operation["responses"]:
                raise UndescribedAnswerError(f"docs/openapi.json lists no {status} of {method} {path}")
            return


def check_response(response: httpx.Response) -> None:
    """A hook of httpx."""
    check(response.request.method, response.request.url.path, response.status_code)


def watch_client(request: Any) -> Any:
    """`Client.request` that looks at what comes back."""

    def watched(self: Client, **environ: Any) -> Any:
        response = request(self, **environ)
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith(PREFIX):
            check(str(environ.get("REQUEST_METHOD", "GET")), path, response.status_code)
        return response

    return watched
