"""The prefixes of a path: each changes how the rest is delivered, or answers in its place."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from tests.origin.content import Request, Resource, redirect, text
from tests.origin.delivery import Answer, Delivery
from tests.origin.routes import Routes


class Tokens:
    """What has happened to the tokens of /flaky and /cutonce."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._broken: set[str] = set()

    def count(self, token: str) -> int:
        """How often the token has been seen before."""
        with self._lock:
            self._seen[token] += 1
            return self._seen[token] - 1

    def is_broken(self, token: str) -> bool:
        with self._lock:
            return token in self._broken

    def mark_broken(self, token: str) -> None:
        with self._lock:
            self._broken.add(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One prefix: its arguments, the request that is left, and the delivery as far as it is decided."""

    arguments: list[str]
    request: Request
    delivery: Delivery
    tokens: Tokens

    def number(self, index: int) -> int:
        return int(self.arguments[index])


def answer(request: Request, routes: Routes, tokens: Tokens) -> Answer:
    """Raises ValueError for arguments that make no sense."""
    delivery = Delivery(latency_seconds=request.number("latency_ms", 0) / 1000)
    while behaviour := _BEHAVIOURS.get(_first_segment(request.path)):
        count, apply = behaviour
        arguments, request = _split(request, count)
        outcome = apply(Step(arguments=arguments, request=request, delivery=delivery, tokens=tokens))
        if isinstance(outcome, Resource):
            return Answer(resource=outcome)
        delivery = outcome
    resource = routes.resource(request)
    # Manifests hand their prefix and query on: it is the segments that are to be slow or cut.
    return Answer(resource=resource, delivery=Delivery() if resource.is_manifest else delivery)


def _first_segment(path: str) -> str:
    return path.lstrip("/").split("/", 1)[0]


def _split(request: Request, count: int) -> tuple[list[str], Request]:
    _, *arguments, rest = request.path.lstrip("/").split("/", count + 1)
    if len(arguments) != count:
        raise ValueError(f"{request.path} has too few arguments")
    return arguments, replace(request, path="/" + rest)


def _failure(code: int, step: Step) -> Resource:
    retry_after = step.request.param("retry_after")
    return text(f"Status {code}", status=code, headers={"Retry-After": retry_after} if retry_after else {})


def _cut(step: Step) -> Delivery:
    if step.arguments[0] == "last":
        return replace(step.delivery, break_percent=100, break_short=1, break_kind="cut")
    return replace(step.delivery, break_percent=step.number(0), break_kind="cut")


def _cut_once(step: Step) -> Delivery:
    token = step.arguments[0]
    if step.tokens.is_broken(token):
        return step.delivery
    return replace(step.delivery, break_percent=step.number(1), break_kind="cut", break_token=token)


def _flaky(step: Step) -> Delivery | Resource:
    if step.tokens.count(step.arguments[0]) < step.number(1):
        return _failure(step.number(2), step)
    return step.delivery


def _redirect(step: Step) -> Resource:
    left = step.number(0) - 1
    request = step.request
    query = f"?{request.query}" if request.query else ""
    return redirect(f"{f'/redirect/{left}' if left > 0 else ''}{request.path}{query}")


def _needs_cookie(step: Step) -> Delivery | Resource:
    sent = {part.strip() for part in step.request.cookie.split(";")}
    return step.delivery if "=".join(step.arguments) in sent else _failure(HTTPStatus.FORBIDDEN, step)


# By name: the number of arguments, and the effect.
_BEHAVIOURS: dict[str, tuple[int, Callable[[Step], Delivery | Resource]]] = {
    "slow": (1, lambda step: replace(step.delivery, bytes_per_second=step.number(0))),
    "cut": (1, _cut),
    "cutonce": (2, _cut_once),
    "stall": (1, lambda step: replace(step.delivery, break_percent=step.number(0), break_kind="stall")),
    "status": (1, lambda step: _failure(step.number(0), step)),
    "flaky": (3, _flaky),
    "lie": (1, lambda step: replace(step.delivery, length_delta=step.number(0))),
    "redirect": (1, _redirect),
    "needs-cookie": (2, _needs_cookie),
    "chunked": (0, lambda step: replace(step.delivery, framing="chunked", accepts_ranges=False)),
    "nolength": (0, lambda step: replace(step.delivery, framing="close", accepts_ranges=False)),
    "norange": (0, lambda step: replace(step.delivery, accepts_ranges=False)),
}
