"""One process of a race: several threads that do the same thing when a line comes in, and one line of results."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from typing import Any

import django

THREADS = 10
TIMES = 10


Action = Callable[[], list[Any]]


def take(at: str) -> Action:
    from accounts.limits import Policy, decide

    policy = Policy.of("race", 20, 1000)
    return lambda: [decide(policy, ["key:k", "address:a"], at=int(at)).is_allowed for _ in range(TIMES)]


def post(plain: str) -> Action:
    """Posts to a view with the settings' own authentication, permissions and throttles."""
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.test import APIRequestFactory
    from rest_framework.views import APIView

    class Submission(APIView):
        def post(self, request: Request) -> Response:
            return Response(status=201)

    view, factory = Submission.as_view(), APIRequestFactory()
    return lambda: [view(factory.post("/", headers={"X-API-Key": plain})).status_code for _ in range(TIMES)]


def jobs(subject: str) -> Action:
    from accounts.models import DayUsage

    return lambda: [DayUsage.objects.take_jobs(uuid.UUID(subject), 1, most_jobs=20) for _ in range(TIMES)]


def main(name: str, argument: str) -> None:
    from tests.accounts.racing import race

    action = {"take": take, "post": post, "jobs": jobs}[name](argument)
    print("ready", flush=True)
    sys.stdin.readline()
    outcomes = race(action, THREADS)
    if failed := [repr(outcome) for outcome in outcomes if isinstance(outcome, Exception)]:
        raise RuntimeError(failed)
    print(json.dumps([result for outcome in outcomes if isinstance(outcome, list) for result in outcome]))


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
