"""Idempotency-Key: a POST that creates is safe to repeat. Decorate the view's method with `idempotent`.

The work, and what was answered, commit together, so that a crash leaves both or neither. A request that fails is not
remembered: nothing has come of it, and the next one of its key does the work.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Collection
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.datastructures import MultiValueDict
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import IdempotentAnswer
from accounts.models.idempotency import KeyInFlightError, digest_of, fingerprint_of
from accounts.principal import Principal, principal_of
from downloads import crash_points
from downloads.api.problem import Problem

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_LENGTH = 255
RETRY_AFTER_SECONDS = 1
FIRST_ERROR_STATUS = 400

_VISIBLE = re.compile(rf"[\x21-\x7e]([\x20-\x7e]{{0,{MAX_LENGTH - 2}}}[\x21-\x7e])?")

P = ParamSpec("P")
View = TypeVar("View")
Handler = Callable[Concatenate[View, Request, P], Response]


def idempotent(*, secrets: Collection[str] = ()) -> Callable[[Handler[View, P]], Handler[View, P]]:
    """For a view's method that answers 201. It runs in a transaction, so it must do nothing but database work.

    The `secrets` of the answer are fields that it alone may show: they are never stored, and null when it is repeated.
    """

    def decorator(handler: Handler[View, P]) -> Handler[View, P]:
        @functools.wraps(handler)
        def repeatable(view: View, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Response:
            key = key_of(request)
            if key is None:
                return handler(view, request, *args, **kwargs)
            return _once(request, key, secrets, lambda: handler(view, request, *args, **kwargs))

        # For the API's description (schema.py).
        repeatable.is_idempotent = True  # type: ignore[attr-defined]
        return repeatable

    return decorator


def is_idempotent(handler: object) -> bool:
    return bool(getattr(handler, "is_idempotent", False))


def key_of(request: Request) -> str | None:
    """Raises Problem."""
    key = request.headers.get(HEADER)
    if key is None or _VISIBLE.fullmatch(key):
        return key
    detail = f"{HEADER} has 1 to {MAX_LENGTH} visible ASCII characters."
    raise Problem(400, "invalid_idempotency_key", detail)


def _once(request: Request, key: str, secrets: Collection[str], work: Callable[[], Response]) -> Response:
    principal = principal_of(request)
    fingerprint = fingerprint_of(key, _material(request))
    with transaction.atomic():
        row, is_new = _claim(principal, key, fingerprint)
        response = _done(row, key, secrets, work) if is_new else _repeated(row, key, fingerprint)
        crash_points.reach("idempotency.before_commit")
    crash_points.reach("idempotency.after_commit")
    return response


def _claim(principal: Principal, key: str, fingerprint: str) -> tuple[IdempotentAnswer, bool]:
    digest = digest_of(principal.subject, key)
    try:
        return IdempotentAnswer.objects.claim(digest, fingerprint, principal.user)
    except KeyInFlightError as error:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        detail = f"A request with this {HEADER} is being worked on. Repeat yours shortly."
        raise Problem(409, "idempotency_in_flight", detail, headers=headers) from error


def _done(row: IdempotentAnswer, key: str, secrets: Collection[str], work: Callable[[], Response]) -> Response:
    response = work()
    if response.status_code >= FIRST_ERROR_STATUS:
        transaction.set_rollback(True)
        return response
    body = response.data | dict.fromkeys(secrets) if secrets else response.data
    headers = {name: value for name, value in response.items() if name.lower() != "content-type"}
    row.record(key, response.status_code, headers, JSONRenderer().render(body))
    return response


def _repeated(row: IdempotentAnswer, key: str, fingerprint: str) -> Response:
    if row.fingerprint != fingerprint:
        detail = f"This {HEADER} was used for another request. Every request of its own needs a key of its own."
        raise Problem(422, "idempotency_conflict", detail)
    body = json.loads(row.recorded_body(key))
    return Response(body, row.status, headers={**row.headers, REPLAYED: "true"})


def _material(request: Request) -> bytes:
    """What makes two requests the same: the operation and what its body says, however the body is written."""
    data = request.data
    said: Any = _parts(data) if isinstance(data, MultiValueDict) else data
    return json.dumps([request.method, request.get_full_path(), said], sort_keys=True).encode()


def _parts(form: MultiValueDict[str, Any]) -> list[Any]:
    return [[name, [_part(value) for value in form.getlist(name)]] for name in sorted(form)]


def _part(value: Any) -> Any:
    if not isinstance(value, UploadedFile):
        return value
    digest = hashlib.sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return [value.name, digest.hexdigest()]
