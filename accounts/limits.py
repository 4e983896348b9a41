"""How often: submissions and reads of the API, and posts of forms, per principal and per address."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django_ratelimit.core import get_usage
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.addresses import client_ip
from accounts.bookkeeping import dispensable
from accounts.models import ApiKey, RateBucket, User
from accounts.models.bucket import HOUR_SECONDS, MINUTE_SECONDS, Balance, Quota
from accounts.principal import principal_of

READS_PER_SUBMISSION = 10

RateScope = Literal["submissions", "reads"]
P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A count of 0 is no limit."""

    scope: str
    minute: Quota
    hour: Quota

    @classmethod
    def of(cls, scope: str, per_minute: int, per_hour: int = 0) -> Policy:
        return cls(
            scope=scope,
            minute=Quota(count=per_minute, window_seconds=MINUTE_SECONDS),
            hour=Quota(count=per_hour, window_seconds=HOUR_SECONDS),
        )

    @property
    def header(self) -> str:
        """RateLimit-Policy, as draft-ietf-httpapi-ratelimit-headers writes it."""
        limited = [("minute", self.minute), ("hour", self.hour)]
        return ", ".join(
            f'"{self.scope}-{name}";q={quota.count};w={quota.window_seconds}' for name, quota in limited if quota.count
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    policy: Policy
    balances: tuple[Balance, ...]

    @property
    def is_allowed(self) -> bool:
        return all(balance.is_taken for balance in self.balances)

    @property
    def wait_seconds(self) -> float:
        """Until every subject has a token again; a second at least, since somebody else may be faster."""
        return max(1.0, *(quota.wait_seconds(owed) for _, quota, owed in self._scarcest))

    @property
    def header(self) -> str:
        """RateLimit, of the subject that has least left."""
        return ", ".join(
            f'"{self.policy.scope}-{name}";r={quota.remaining(owed)};t={quota.reset_seconds(owed)}'
            for name, quota, owed in self._scarcest
            if quota.count
        )

    @property
    def _scarcest(self) -> list[tuple[str, Quota, int]]:
        minute_owed = max((balance.minute_owed for balance in self.balances), default=0)
        hour_owed = max((balance.hour_owed for balance in self.balances), default=0)
        return [("minute", self.policy.minute, minute_owed), ("hour", self.policy.hour, hour_owed)]


def policy_of(scope: RateScope) -> Policy:
    times = READS_PER_SUBMISSION if scope == "reads" else 1
    return Policy.of(scope, settings.RATE_LIMIT_PER_MINUTE * times, settings.RATE_LIMIT_PER_HOUR * times)


def decide(policy: Policy, subjects: Iterable[str], *, at: int | None = None) -> Decision:
    """Takes a token from each subject, or from none. `at` is nanoseconds since the epoch; None is now."""
    keys = [f"{policy.scope}:{subject}" for subject in subjects]
    balances = RateBucket.objects.take(keys, policy.minute, policy.hour, at=at)
    return Decision(policy=policy, balances=tuple(balances))


def purge(*, at: int | None = None) -> int:
    """For the sweeper: what is left of those that have not come for a while."""
    return RateBucket.objects.purge(at=at)


# --- The API ----------------------------------------------------------------------------------------------------
def rate_scope_of(request: Request, view: Any) -> RateScope:
    """A POST that is not to one row is a submission, unless the view's `rate_scope` says otherwise."""
    declared: RateScope | None = getattr(view, "rate_scope", None)
    if declared is not None:
        return declared
    return "submissions" if request.method == "POST" and not getattr(view, "detail", False) else "reads"


class RateThrottle(BaseThrottle):
    """Says no through DRF, and leaves the decision at the request, for the middleware to write the headers from."""

    scope: RateScope
    _wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        if rate_scope_of(request, view) != self.scope:
            return True
        decision = self._decide(request)
        if decision is None:
            return True
        remember(request, decision)
        self._wait = decision.wait_seconds
        return decision.is_allowed

    def _decide(self, request: Request) -> Decision | None:
        return decide_for(request, self.scope)

    def wait(self) -> float | None:
        return self._wait


def decide_for(request: Request, scope: RateScope) -> Decision:
    """A key with a rate of its own has a policy of its own; its address is limited like every other."""
    policy, key = policy_of(scope), getattr(request, "auth", None)
    if not isinstance(key, ApiKey) or key.rate_limit_per_minute is None:
        return decide(policy, subjects_of(request))
    own = decide(key_policy(key, policy), [f"key:{key.pk}"])
    decision = decide(policy, [address_of(request)]) if own.is_allowed else own
    return own if decision.is_allowed else decision


def key_policy(key: ApiKey, policy: Policy) -> Policy:
    """Never more than the server allows. `rate_limit_per_minute` speaks of submissions, as the server's rate does."""
    times = READS_PER_SUBMISSION if policy.scope == "reads" else 1
    per_minute = min((key.rate_limit_per_minute or policy.minute.count) * times, policy.minute.count)
    return Policy.of(policy.scope, per_minute, policy.hour.count)


class SubmitThrottle(RateThrottle):
    scope = "submissions"


class ReadThrottle(RateThrottle):
    """Reads go on uncounted while somebody holds SQLite's lock: they need none of their own."""

    scope = "reads"

    def _decide(self, request: Request) -> Decision | None:
        decision: Decision | None = None
        with dispensable():
            decision = super()._decide(request)
        return decision  # noqa: RET504 - the block may be left out


def charge_refused_key(request: Request) -> None:
    """A read of the address, which has nobody else to pay for it; Throttled when it has none left."""
    decision = decide(policy_of("reads"), [address_of(request)])
    remember(request, decision)
    if not decision.is_allowed:
        raise Throttled(wait=decision.wait_seconds)


def subjects_of(request: Request | HttpRequest) -> list[str]:
    """The key or the person, and the address. Whoever has neither key nor name is only their address."""
    subjects = [address_of(request)]
    if isinstance(request.user, User) and not request.user.is_anonymous_principal:
        subjects.append(principal_of(request).subject)
    return subjects


def address_of(request: Request | HttpRequest) -> str:
    return f"address:{client_ip(plain_request(request)) or 'unknown'}"


def plain_request(request: Request | HttpRequest) -> HttpRequest:
    return request._request if isinstance(request, Request) else request  # noqa: SLF001  # DRF has no other way


def remember(request: Request | HttpRequest, decision: Decision) -> None:
    plain_request(request).rate_limit = decision  # type: ignore[attr-defined]  # Django's way to add to a request


# --- Forms ------------------------------------------------------------------------------------------------------
def limit_form(scope: str, per_minute: int) -> Callable[[View[P]], View[P]]:
    """Limits the posts of a page, per person and address, and answers the rest with a page and 429."""

    def decorator(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def limited(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            wait = form_wait_seconds(request, scope, per_minute) if request.method == "POST" else 0.0
            return too_many(request, wait) if wait else view(request, *args, **kwargs)

        return limited

    return decorator


def form_wait_seconds(request: HttpRequest, scope: str, per_minute: int) -> float:
    """0 when the post may go on. The bucket stands in where there is no Redis, and while Redis is away."""
    subjects = subjects_of(request)
    if settings.CACHES["default"]["BACKEND"].endswith("RedisCache"):
        from redis.exceptions import RedisError  # noqa: PLC0415  # 50 ms that only a server with Redis needs

        try:
            return max(window_wait_seconds(request, scope, subject, per_minute) for subject in subjects)
        except RedisError:
            pass
    decision = decide(Policy.of(scope, per_minute), subjects)
    return 0.0 if decision.is_allowed else decision.wait_seconds


def window_wait_seconds(request: HttpRequest, scope: str, subject: str, per_minute: int) -> float:
    usage = get_usage(request, group=scope, key=lambda *_: subject, rate=f"{per_minute}/m", increment=True)
    return max(1.0, usage["time_left"]) if usage and usage["should_limit"] else 0.0


def too_many(request: HttpRequest, wait_seconds: float) -> HttpResponse:
    seconds = math.ceil(wait_seconds)
    response = render(request, "accounts/too_many.html", {"seconds": seconds}, status=429)
    response["Retry-After"] = str(seconds)
    return response
